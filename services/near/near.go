// Package near finds what somebody may have meant who wrote a name that is not known.
package near

import (
	"iter"
	"strings"
)

// Word is the known word that differs least from another, in any letter case, where it differs by little: by one letter
// in a word of up to five, and by one more for each three that it has more. "" where none does. Of several alike it is
// the first of the alphabet.
func Word(word string, known iter.Seq[string]) string {
	best, least := "", max(len([]rune(word))/3, 1)+1
	for candidate := range known {
		d := Distance(strings.ToLower(word), strings.ToLower(candidate))
		if d < least || d == least && best != "" && candidate < best {
			best, least = candidate, d
		}
	}
	return best
}

// Distance counts the letters to be changed, added, left out, or swapped with their neighbour (Damerau and Levenshtein).
func Distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}
