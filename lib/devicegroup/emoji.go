package devicegroup

import (
	"strings"

	"golang.org/x/crypto/argon2"

	"sessiontool/lib/internal/blake2b"
)

// Emoji for users to compare (session-v2.md sections 13 and 14).
const (
	emojiSeedSize = 16
	emojiBits     = 6
	emojiCount    = emojiSeedSize * 8 / emojiBits

	linkEmojiShown  = 7
	groupEmojiShown = 4

	linkEmojiPersonal  = "SessionLinkEmoji"
	groupEmojiPersonal = "SessionDvGrp_SAS"

	// Argon2id makes it slow to search for a request whose emoji look like those of another one.
	linkEmojiTime    = 2
	linkEmojiMemory  = 16 << 10 // KiB
	linkEmojiThreads = 1
)

// Emoji is one symbol with its English name.
type Emoji struct {
	Symbol, Name string
}

// String returns the symbol.
func (e Emoji) String() string { return e.Symbol }

// Emoji returns the seven emoji that the new device and the one that admits it both show. It takes 16 MiB of memory and
// some tens of milliseconds.
func (r LinkRequest) Emoji() []Emoji {
	return pick(r.emojiSeed(), linkEmojiShown)
}

func (r LinkRequest) emojiSeed() []byte {
	salt := blake2b.Sum(emojiSeedSize, nil, linkEmojiPersonal, r.text)
	return argon2.IDKey(r.text, salt, linkEmojiTime, linkEmojiMemory, linkEmojiThreads, emojiSeedSize)
}

// Emoji returns the four emoji that name the group.
func (id GroupID) Emoji() []Emoji {
	return pick(id.emojiSeed(), groupEmojiShown)
}

func (id GroupID) emojiSeed() []byte {
	return blake2b.Sum(emojiSeedSize, nil, groupEmojiPersonal, id[:])
}

// indices returns the six-bit digits of seed as a little-endian number, the lowest first.
func indices(seed []byte) (list [emojiCount]int) {
	for j := range list {
		at := emojiBits * j
		window := int(seed[at/8])
		if at/8+1 < len(seed) {
			window |= int(seed[at/8+1]) << 8
		}
		list[j] = window >> (at % 8) & (1<<emojiBits - 1)
	}
	return list
}

func pick(seed []byte, count int) (picked []Emoji) {
	digits := indices(seed)
	for _, index := range digits[:count] {
		picked = append(picked, emojiTable[index])
	}
	return picked
}

// emojiTable are the 64 emoji of the short authentication strings of Matrix, in their order.
var emojiTable = func() (table [1 << emojiBits]Emoji) {
	for i, line := range strings.Split(emojiList, "\n") {
		table[i].Symbol, table[i].Name, _ = strings.Cut(line, " ")
	}
	return table
}()

const emojiList = `🐶 dog
🐱 cat
🦁 lion
🐎 horse
🦄 unicorn
🐷 pig
🐘 elephant
🐰 rabbit
🐼 panda
🐓 rooster
🐧 penguin
🐢 turtle
🐟 fish
🐙 octopus
🦋 butterfly
🌷 flower
🌳 tree
🌵 cactus
🍄 mushroom
🌏 globe
🌙 moon
☁️ cloud
🔥 fire
🍌 banana
🍎 apple
🍓 strawberry
🌽 corn
🍕 pizza
🎂 cake
❤️ heart
😀 smiley
🤖 robot
🎩 hat
👓 glasses
🔧 spanner
🎅 santa
👍 thumbs up
☂️ umbrella
⌛ hourglass
⏰ clock
🎁 gift
💡 light bulb
📕 book
✏️ pencil
📎 paperclip
✂️ scissors
🔒 lock
🔑 key
🔨 hammer
☎️ telephone
🏁 flag
🚂 train
🚲 bicycle
✈️ aeroplane
🚀 rocket
🏆 trophy
⚽ ball
🎸 guitar
🎺 trumpet
🔔 bell
⚓ anchor
🎧 headphones
📁 folder
📌 pin`
