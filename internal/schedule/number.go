package schedule

import (
	"strconv"
	"strings"
)

// numberText is a JSON number as Python prints it, because APScheduler reads a field
// through str(): 5 is "5", 1.50 is "1.5" and 1e2 is "100.0", which are no expressions.
func numberText(literal string) string {
	if !strings.ContainsAny(literal, ".eE") {
		if literal == "-0" {
			return "0"
		}
		return literal
	}
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil { // too large for a float
		if f < 0 {
			return "-inf"
		}
		return "inf"
	}
	if size := max(f, -f); size != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
