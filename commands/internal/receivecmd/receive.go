// Package receivecmd has the commands that print what an account receives: poll and listen.
package receivecmd
