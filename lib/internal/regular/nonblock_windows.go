package regular

const nonBlocking = 0
