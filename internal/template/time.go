package template

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ncruces/go-strftime"
)

// shift moves a time by n units.
type shift struct {
	n    int
	unit string // y mo w d: in the calendar of the zone; h m s: exact
}

const maxShift = 1_000_000

// parseShifts reads "-1mo", "+2d -3h".
func parseShifts(s string) ([]shift, error) {
	var list []shift
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		sign := s[0]
		if sign != '+' && sign != '-' {
			return nil, fmt.Errorf("%q: arithmetic starts with + or -, as in scheduled_at-1mo", s)
		}
		s = strings.TrimSpace(s[1:])
		digits := 0
		for digits < len(s) && '0' <= s[digits] && s[digits] <= '9' {
			digits++
		}
		n, err := strconv.Atoi(s[:digits])
		if err != nil || n > maxShift {
			return nil, fmt.Errorf("after %c a whole number up to %d is expected, as in scheduled_at-1mo", sign, maxShift)
		}
		s = s[digits:]
		letters := 0
		for letters < len(s) && 'a' <= s[letters] && s[letters] <= 'z' {
			letters++
		}
		unit := s[:letters]
		switch unit {
		case "y", "mo", "w", "d", "h", "m", "s":
		default:
			return nil, fmt.Errorf("%q is not a unit: y, mo, w, d, h, m (minutes) and s are", unit)
		}
		s = s[letters:]
		if sign == '-' {
			n = -n
		}
		list = append(list, shift{n, unit})
	}
	return list, nil
}

// apply moves t. A month or year later is the same day of the month, or the last one of a shorter month.
func (s shift) apply(t time.Time) time.Time {
	switch s.unit {
	case "y":
		return addMonths(t, 12*s.n)
	case "mo":
		return addMonths(t, s.n)
	case "w":
		return t.AddDate(0, 0, 7*s.n)
	case "d":
		return t.AddDate(0, 0, s.n)
	case "h":
		return t.Add(time.Duration(s.n) * time.Hour)
	case "m":
		return t.Add(time.Duration(s.n) * time.Minute)
	default:
		return t.Add(time.Duration(s.n) * time.Second)
	}
}

func addMonths(t time.Time, n int) time.Time {
	y, m, d := t.Date()
	last := time.Date(y, m+time.Month(n)+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return time.Date(y, m+time.Month(n), min(d, last), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
}

// directives are those of strftime that mean the same everywhere.
const directives = "aAbBdefFgGhHIjLmMpsSTuUVwWyYzZ%"

// checkFormat refuses what would go out as it stands, unnoticed.
func checkFormat(f string) error {
	if strings.ContainsAny(f, "{}") {
		return errors.New("a format holds no braces")
	}
	for i := 0; i < len(f); i++ {
		if f[i] != '%' {
			continue
		}
		i++
		if i < len(f)-1 && (f[i] == '-' || f[i] == ':' && f[i+1] == 'z') {
			i++
		}
		if i >= len(f) || !strings.ContainsRune(directives, rune(f[i])) {
			return fmt.Errorf("%%%s is no directive of strftime: %%Y %%m %%d %%H %%M %%S %%F %%T %%z %%:z %%Z %%s %%j %%a %%b %%V %%u and others are", f[min(i, len(f)):min(i+1, len(f))])
		}
	}
	return nil
}

func formatTime(t time.Time, shifts []shift, format string) (string, error) {
	for _, s := range shifts {
		t = s.apply(t)
		if y := t.Year(); y < 1 || y > 9999 {
			return "", errors.New("the arithmetic on scheduled_at leaves the years 1 to 9999")
		}
	}
	if format == "" {
		return t.Format(time.RFC3339), nil
	}
	return strftime.Format(format, t), nil
}
