package schedule

import (
	"fmt"
	"strings"
)

// The fields of a crontab string, in its order and with its limits. 7 is Sunday too.
var crontabFields = []struct {
	at int // the same field of the cron object
	field
}{
	{fSecond, field{name: "second", min: 0, max: 59}},
	{fMinute, field{name: "minute", min: 0, max: 59}},
	{fHour, field{name: "hour", min: 0, max: 23}},
	{fDay, field{name: "day of month", min: 1, max: 31}},
	{fMonth, field{name: "month", min: 1, max: 12, names: monthNames, noun: "month"}},
	{fWeekday, field{name: "day of week", min: 0, max: 7, names: sundayFirst, noun: "weekday"}},
}

var sundayFirst = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// crontabWords are crontab(5)'s names for whole schedules.
var crontabWords = map[string]string{
	"@hourly":   "0 * * * *",
	"@daily":    "0 0 * * *",
	"@midnight": "0 0 * * *",
	"@weekly":   "0 0 * * 0",
	"@monthly":  "0 0 1 * *",
	"@yearly":   "0 0 1 1 *",
	"@annually": "0 0 1 1 *",
}

// parseCrontab reads a crontab(5) string: five fields, or six with seconds first.
func (p *parsing) parseCrontab(text string) {
	if len(text) > maxFieldText {
		p.fault("cron", "is %d bytes long; at most %d are accepted", len(text), maxFieldText)
		return
	}
	parts := strings.Fields(text)
	canonical := strings.ToLower(strings.Join(parts, " "))
	if strings.HasPrefix(canonical, "@") {
		meaning, ok := crontabWords[canonical]
		if !ok {
			p.fault("cron", "%s is not a schedule; there are @hourly, @daily, @midnight, @weekly, @monthly and @yearly", quote(canonical))
			return
		}
		parts = strings.Fields(meaning)
	}
	if len(parts) != 5 && len(parts) != 6 {
		p.fault("cron", "Wrong number of fields; got %d, expected 5 (minute, hour, day of month, month, day of week) or 6 with seconds first", len(parts))
		return
	}
	c := &cron{crontab: true, fields: new([fieldCount][]expr)}
	c.fields[fYear] = []expr{{form: formAll}}
	c.fields[fWeek] = []expr{{form: formAll}}
	c.fields[fSecond] = []expr{{form: formSpan}}
	specs := crontabFields[6-len(parts):]
	for i := range specs {
		f := &specs[i]
		list, errs := parseCrontabField(&f.field, parts[i])
		for _, err := range errs {
			p.fault("cron", "%s: %s", f.name, err)
		}
		c.fields[f.at] = list
	}
	// crontab(5): "if both fields are restricted (do not start with *), the command
	// will be run when either field matches". "*/2" starts with *.
	day, weekday := parts[len(parts)-3], parts[len(parts)-1]
	c.either = day[0] != '*' && weekday[0] != '*'
	p.text, p.cron = "cron['"+canonical+"']", c
}

// parseCrontabField reads one field of a crontab string.
func parseCrontabField(f *field, text string) (list []expr, errs []string) {
	parts := strings.Split(text, ",")
	if len(parts) > maxFieldList {
		return nil, []string{fmt.Sprintf("lists %d expressions; at most %d are accepted", len(parts), maxFieldList)}
	}
	for _, part := range parts {
		e, err := parseCrontabExpr(f, part)
		if err != "" {
			errs = append(errs, err)
		}
		list = append(list, e)
	}
	return list, errs
}

// parseCrontabExpr reads *, a, a-b, each with an optional step. Names may stand for
// numbers; Sunday may end a range.
func parseCrontabExpr(f *field, text string) (expr, string) {
	const wrapped = "The minimum value in a range must not be higher than the maximum"
	unrecognized := fmt.Sprintf("Unrecognized expression \"%s\"", text)
	r := reader{text}
	e := expr{form: formAll, first: f.min, last: f.max}
	if !r.char("*") {
		e.form = formSpan
		first, err := crontabValue(f, &r, false)
		if err != "" {
			return expr{}, either(err, unrecognized)
		}
		e.first, e.last = first, first
		if r.char("-") {
			if e.last, err = crontabValue(f, &r, true); err != "" {
				return expr{}, either(err, unrecognized)
			}
			if e.first > e.last {
				return expr{}, wrapped
			}
		} else if strings.HasPrefix(r.rest, "/") {
			e.open, e.last = true, f.max
		}
	}
	if r.char("/") {
		step := trimZeros(r.digits(len(text)))
		size := f.max - f.min + 1
		switch {
		case step == "":
			return expr{}, unrecognized
		case step == "0":
			return expr{}, "Increment must be higher than 0"
		case compare(step, fmt.Sprint(size)) > 0:
			// crontab(5) would run "*/90" minutes every hour, which nobody means.
			return expr{}, fmt.Sprintf("Error validating expression '%s': the step value (%s) is higher than the total range of the expression (%d)", text, step, f.max-f.min)
		}
		fmt.Sscan(step, &e.step)
	}
	if r.rest != "" {
		return expr{}, unrecognized
	}
	return e, ""
}

// crontabValue reads a number or a name; the error "" with ok values, "?" for neither.
func crontabValue(f *field, r *reader, ends bool) (int, string) {
	if n := letters(r.rest); n > 0 && f.names != nil {
		word := r.rest[:n]
		i := nameIndex(f.names, word)
		if i < 0 {
			return 0, fmt.Sprintf("Invalid %s name \"%s\"", f.noun, word)
		}
		r.rest = r.rest[n:]
		if i += f.min; ends && i == 0 { // fri-sun
			i = 7
		}
		return i, ""
	}
	digits := trimZeros(r.digits(len(r.rest)))
	switch {
	case digits == "":
		return 0, "?"
	case compare(digits, fmt.Sprint(f.min)) < 0:
		return 0, fmt.Sprintf("%s is lower than the minimum value (%d)", digits, f.min)
	case compare(digits, fmt.Sprint(f.max)) > 0:
		return 0, fmt.Sprintf("%s is higher than the maximum value (%d)", shown(digits), f.max)
	}
	var v int
	fmt.Sscan(digits, &v)
	return v, ""
}

func either(err, unrecognized string) string {
	if err == "?" {
		return unrecognized
	}
	return err
}
