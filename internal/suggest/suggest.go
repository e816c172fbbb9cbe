// Package suggest finds the name that was probably meant. Flags, commands, JSON fields and enumerated values all use it, so
// that every typing mistake is answered in the same way.
package suggest

import (
	"fmt"
	"strings"
)

// DidYouMean gives `; did you mean "x"?` for the nearest of names, or "" when none is near.
func DidYouMean(word string, names []string) string {
	if name := Nearest(word, names); name != "" {
		return fmt.Sprintf("; did you mean %q?", name)
	}
	return ""
}

// Nearest is the name within a third of its length of edits from word, the closest and first of them; else "".
func Nearest(word string, names []string) string {
	if len(word) > 64 {
		return ""
	}
	best, bestDistance := "", 1<<30
	for _, name := range names {
		d := editDistance(fold(word), fold(name))
		if d < bestDistance && d <= max(1, len(name)/3) {
			best, bestDistance = name, d
		}
	}
	return best
}

// fold makes targetUrl, target-url and target_url the same word.
func fold(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s))
}

// editDistance is the number of letters to insert, delete, replace or swap with their neighbour to get from a to b.
func editDistance(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(next[j-1]+1, row[j]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
