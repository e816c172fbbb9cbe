package schedule

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode"
)

// The fields of the cron object, in APScheduler's order: what is left out before the
// last one given is "*", what is left out after it has its default.
const (
	fYear = iota
	fMonth
	fDay
	fWeek
	fWeekday
	fHour
	fMinute
	fSecond
	fieldCount
)

// field describes one field of the cron object.
type field struct {
	name     string
	min, max int
	names    []string // of values, from min on
	noun     string   // what APScheduler calls such a name
	initial  string   // default after the last field given
}

var (
	monthNames   = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
	weekdayNames = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	ordinals     = []string{"1st", "2nd", "3rd", "4th", "5th", "last"}
)

var fields = [fieldCount]field{
	fYear:    {name: "year", min: 1970, max: 9999, initial: "*"},
	fMonth:   {name: "month", min: 1, max: 12, names: monthNames, noun: "month", initial: "1"},
	fDay:     {name: "day", min: 1, max: 31, initial: "1"},
	fWeek:    {name: "week", min: 1, max: 53, initial: "*"},
	fWeekday: {name: "day_of_week", min: 0, max: 6, names: weekdayNames, noun: "weekday", initial: "*"},
	fHour:    {name: "hour", min: 0, max: 23, initial: "0"},
	fMinute:  {name: "minute", min: 0, max: 59, initial: "0"},
	fSecond:  {name: "second", min: 0, max: 59, initial: "0"},
}

// form is the shape of one expression of a list.
type form uint8

const (
	formAll  form = iota // * or */step
	formSpan             // first, first-last, first/step, first-last/step; with names without a step
	formNth              // 1st mon ... 5th sun, last fri
	formLast             // last
)

// expr is one expression of a field's list.
type expr struct {
	form        form
	named       bool // written with names
	open        bool // first/step: up to the field's maximum
	first, last int  // formNth: position 0-5 and weekday
	step        int  // 0 = none
}

// Bounds on what a field may hold. The longest sensible list is some 180 characters.
const (
	maxFieldText = 1024
	maxFieldList = 128
)

// parseField reads a field's list of expressions. Each wrong one gives one error, in
// APScheduler's words.
func parseField(f *field, text string) (list []expr, errs []string) {
	if len(text) > maxFieldText {
		return nil, []string{fmt.Sprintf("is %d bytes long; at most %d are accepted", len(text), maxFieldText)}
	}
	parts := strings.Split(strings.TrimSpace(text), ",")
	if len(parts) > maxFieldList {
		return nil, []string{fmt.Sprintf("lists %d expressions; at most %d are accepted", len(parts), maxFieldList)}
	}
	list = make([]expr, 0, len(parts))
	for i, part := range parts {
		if i > 0 {
			part = strings.TrimLeft(part, " ")
		}
		if i < len(parts)-1 {
			part = strings.TrimRight(part, " ")
		}
		e, err := parseExpr(f, part)
		if err != "" {
			errs = append(errs, err)
		}
		list = append(list, e)
	}
	return list, errs
}

// parseExpr reads one expression. Where APScheduler takes a valid beginning and drops
// the rest ("jan/2", "mon#2", "lastly"), this refuses the whole.
func parseExpr(f *field, text string) (expr, string) {
	unrecognized := fmt.Sprintf("Unrecognized expression \"%s\" for field \"%s\"", text, f.name)
	r := reader{text}
	switch {
	case r.char("*"):
		step := ""
		if r.char("/") {
			if step = r.digits(len(text)); step == "" {
				return expr{}, unrecognized
			}
		}
		if r.rest != "" {
			return expr{}, unrecognized
		}
		return newSpan(f, text, "", "", step)
	case text != "" && text[0] >= '0' && text[0] <= '9':
		if f.name == "day" && startsOrdinal(text) {
			break
		}
		first := r.digits(len(text))
		last, step := "", ""
		ok := true
		if r.char("-") {
			last = r.digits(len(text))
			ok = last != ""
		}
		if ok && r.char("/") {
			step = r.digits(len(text))
			ok = step != ""
		}
		if !ok || r.rest != "" {
			return expr{}, unrecognized
		}
		return newSpan(f, text, first, last, step)
	case f.names != nil && letters(text) > 0:
		return parseNames(f, text, unrecognized)
	}
	if f.name == "day" {
		return parseDaySpecial(text, unrecognized)
	}
	return expr{}, unrecognized
}

// newSpan makes * (first empty) or a span of numbers, checked as APScheduler does. The
// numbers may have any length; only sound ones are converted.
func newSpan(f *field, text, first, last, step string) (expr, string) {
	first, last, step = trimZeros(first), trimZeros(last), trimZeros(step)
	invalid := func(format string, args ...any) (expr, string) {
		return expr{}, "Error validating expression '" + text + "': " + fmt.Sprintf(format, args...)
	}
	if step == "0" {
		return expr{}, "Increment must be higher than 0"
	}
	open := last == "" && step != ""
	if last == "" && step == "" {
		last = first
	}
	if first != "" && last != "" && compare(first, last) > 0 {
		return expr{}, "The minimum value in a range must not be higher than the maximum"
	}
	low, high := strconv.Itoa(f.min), strconv.Itoa(f.max)
	if total := strconv.Itoa(f.max - f.min); step != "" && compare(step, total) > 0 {
		return invalid("the step value (%s) is higher than the total range of the expression (%s)", step, total)
	}
	e := expr{form: formAll, open: open}
	e.step, _ = strconv.Atoi(step)
	if first == "" {
		return e, ""
	}
	if compare(first, low) < 0 {
		return invalid("the first value (%s) is lower than the minimum value (%s)", first, low)
	}
	if last != "" && compare(last, high) > 0 {
		return invalid("the last value (%s) is higher than the maximum value (%s)", last, high)
	}
	upper := last
	if open {
		upper = high
	}
	if step != "" {
		if span := difference(upper, first); span[0] == '-' || compare(step, span) > 0 {
			return invalid("the step value (%s) is higher than the total range of the expression (%s)", step, span)
		}
	}
	e.form = formSpan
	e.first, _ = strconv.Atoi(first)
	e.last, _ = strconv.Atoi(upper)
	return e, ""
}

// parseNames reads a month or weekday name, or a range of two.
func parseNames(f *field, text, unrecognized string) (expr, string) {
	n := letters(text)
	first, rest := text[:n], text[n:]
	last := ""
	if strings.HasPrefix(rest, "-") {
		if m := letters(rest[1:]); m > 0 {
			last, rest = rest[1:1+m], rest[1+m:]
		}
	}
	a, b := nameIndex(f.names, first), 0
	if a < 0 {
		return expr{}, fmt.Sprintf("Invalid %s name \"%s\"", f.noun, first)
	}
	if b = a; last != "" {
		if b = nameIndex(f.names, last); b < 0 {
			return expr{}, fmt.Sprintf("Invalid %s name \"%s\"", f.noun, last)
		}
	}
	switch {
	case rest != "":
		return expr{}, unrecognized
	case a > b:
		return expr{}, "The minimum value in a range must not be higher than the maximum"
	}
	return expr{form: formSpan, named: true, first: a + f.min, last: b + f.min}, ""
}

// parseDaySpecial reads "last" and "2nd fri" in the field day.
func parseDaySpecial(text, unrecognized string) (expr, string) {
	for i, ordinal := range ordinals {
		if len(text) <= len(ordinal) || !strings.EqualFold(text[:len(ordinal)], ordinal) || text[len(ordinal)] != ' ' {
			continue
		}
		name := strings.TrimLeft(text[len(ordinal):], " ")
		n := wordLength(name)
		if n == 0 {
			return expr{}, unrecognized
		}
		day := nameIndex(weekdayNames, name[:n])
		switch {
		case day < 0:
			return expr{}, "Invalid weekday name \"" + name[:n] + "\""
		case n < len(name):
			return expr{}, unrecognized
		}
		return expr{form: formNth, first: i, last: day}, ""
	}
	if strings.EqualFold(text, "last") {
		return expr{form: formLast}, ""
	}
	return expr{}, unrecognized
}

// wordLength is the length of the number or, failing that, the word that s starts with.
func wordLength(s string) int {
	number := strings.IndexFunc(s, func(c rune) bool { return !unicode.IsDigit(c) })
	if number > 0 {
		return number
	}
	word := strings.IndexFunc(s, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_' })
	if word < 0 {
		return len(s)
	}
	return word
}

// startsOrdinal tells whether text starts like "1st ".
func startsOrdinal(text string) bool {
	for _, o := range ordinals[:5] {
		if len(text) > len(o) && strings.EqualFold(text[:len(o)], o) && text[len(o)] == ' ' {
			return true
		}
	}
	return false
}

// text is the canonical form of e.
func (e expr) text(f *field) string {
	value := func(n int) string {
		if e.named {
			return f.names[n-f.min]
		}
		return strconv.Itoa(n)
	}
	var s string
	switch e.form {
	case formNth:
		return ordinals[e.first] + " " + weekdayNames[e.last]
	case formLast:
		return "last"
	case formAll:
		s = "*"
	case formSpan:
		if s = value(e.first); !e.open && e.last != e.first {
			s += "-" + value(e.last)
		}
	}
	if e.step > 0 {
		s += "/" + strconv.Itoa(e.step)
	}
	return s
}

// listText is the canonical form of a field's list.
func listText(f *field, list []expr) string {
	if len(list) == 1 {
		return list[0].text(f)
	}
	parts := make([]string, len(list))
	for i, e := range list {
		parts[i] = e.text(f)
	}
	return strings.Join(parts, ",")
}

// letters counts the ASCII letters at the start of s.
func letters(s string) int {
	n := 0
	for n < len(s) && (s[n]|0x20) >= 'a' && (s[n]|0x20) <= 'z' {
		n++
	}
	return n
}

func nameIndex(names []string, name string) int {
	for i, n := range names {
		if strings.EqualFold(n, name) && len(n) == len(name) {
			return i
		}
	}
	return -1
}

// trimZeros takes leading zeros off a number in digits.
func trimZeros(digits string) string {
	if t := strings.TrimLeft(digits, "0"); t != "" || digits == "" {
		return t
	}
	return "0"
}

// compare orders two numbers in digits without leading zeros, of any length.
func compare(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// difference is a-b for numbers in digits, of any length.
func difference(a, b string) string {
	if len(a) < 10 && len(b) < 10 {
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return strconv.Itoa(x - y)
	}
	x, _ := new(big.Int).SetString(a, 10)
	y, _ := new(big.Int).SetString(b, 10)
	return x.Sub(x, y).String()
}
