package mnemonic

import "testing"

// TestEnglish checks the properties of the word list that the encoding needs.
func TestEnglish(t *testing.T) {
	list := english()
	if len(list.words) != 1626 {
		t.Errorf("list has %d words", len(list.words))
	}
	for i, word := range list.words {
		if len(word) < prefixSize {
			t.Errorf("%q is shorter than a prefix", word)
		}
		if list.index[prefix(word)] != i {
			t.Errorf("%q has the prefix of another word", word)
		}
	}
}
