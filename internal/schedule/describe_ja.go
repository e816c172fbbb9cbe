package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

type japanese struct{}

var (
	unitsJA    = []string{"週間", "日", "時間", "分", "秒"}
	weekdaysJA = []string{"月", "火", "水", "木", "金", "土", "日"}
)

const waveJA = "〜"

func (japanese) zone(name string) string { return "（" + name + "）" }

func (japanese) once(at time.Time) string { return stampJA(at) + " に1回のみ" }

func stampJA(t time.Time) string {
	text := fmt.Sprintf("%d年%d月%d日 %d:%02d", t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute())
	switch {
	case t.Nanosecond() != 0:
		text += t.Format(":05.000000")
	case t.Second() != 0:
		text += t.Format(":05")
	}
	return text
}

func (japanese) length(micros int64) string {
	var b strings.Builder
	for _, p := range parts(micros) {
		fmt.Fprintf(&b, "%d%s%s", p.n, p.frac, unitsJA[p.unit])
	}
	return b.String()
}

func (j japanese) every(micros int64) string { return j.length(micros) + "ごと" }

func (japanese) bounds(from, to *time.Time) string {
	text := "、"
	if from != nil {
		text += stampJA(*from) + " から"
	}
	if to != nil {
		if from != nil {
			text += " "
		}
		text += stampJA(*to) + " まで"
	}
	return text
}

func (japanese) jitter(d string) string { return "、最大" + d + "の遅延（ジッター）あり" }

func (j japanese) cron(c *cron) string {
	k := clockworkOf(c)
	day := daysJA(c)
	if len(k.times) > 0 {
		var list []string
		for _, t := range k.times {
			list = append(list, clock("%d", t))
		}
		return day + " " + strings.Join(list, "、")
	}
	if day == "毎日" {
		return k.frequencyJA()
	}
	return day + " " + k.frequencyJA()
}

// frequencyJA describes times of day that are too many to list.
func (k clockwork) frequencyJA() string {
	m, s := k.minutes, k.seconds
	if s.shape != shapeOne {
		text := stepsJA(s, "秒", "分")
		if m.shape == shapeAll {
			return k.hoursJA(text)
		}
		if s.shape != shapeAll && s.shape != shapeStep {
			text = countedJA(s, "秒")
		}
		return k.hoursJA("毎時" + countedJA(m, "分") + "の" + text)
	}
	at := ""
	if s.first != 0 {
		at = fmt.Sprintf("%d秒", s.first)
	}
	if m.shape != shapeOne {
		text := stepsJA(m, "分", "時")
		if at != "" && m.shape != shapeAll {
			at = "（" + at + "）"
		}
		return k.hoursJA(text + at)
	}
	minute := fmt.Sprintf("%d分", m.first) + at
	switch h := k.hours; h.shape {
	case shapeAll:
		return "毎時" + minute
	case shapeSpan:
		return clock("%d", k.first) + waveJA + clock("%d", k.last) + " に1時間ごと"
	case shapeStep: // 2 or 3 hours: wider steps give few enough times to list
		return fmt.Sprintf("%d時間ごと（%s 起点）", h.step, clock("%d", k.first))
	}
	return countedJA(k.hours, "時") + "の" + minute
}

// hoursJA limits a frequency to some hours.
func (k clockwork) hoursJA(frequency string) string {
	particle := "に"
	if strings.HasPrefix(frequency, "毎") {
		particle = "の"
	}
	switch k.hours.shape {
	case shapeAll:
		return frequency
	case shapeOne, shapeSpan:
		return clock("%d", k.first) + waveJA + clock("%d", k.last) + " " + particle + frequency
	}
	if rest, ok := strings.CutPrefix(frequency, "毎時"); ok {
		return countedJA(k.hours, "時") + "台の" + rest
	}
	return countedJA(k.hours, "時") + "台" + particle + frequency
}

// stepsJA is a frequency: 5分ごと, 毎時5分・35分.
func stepsJA(s series, unit, larger string) string {
	switch s.shape {
	case shapeAll:
		return "毎" + unit
	case shapeStep:
		text := fmt.Sprintf("%d%sごと", s.step, unit)
		if s.first > 0 || !s.even { // counted from its start, in each hour anew
			text = fmt.Sprintf("毎%s%d%sから", larger, s.first, unit) + text
		}
		return text
	}
	return "毎" + larger + countedJA(s, unit)
}

// countedJA lists values: 5分・35分, 0〜4分・30分.
func countedJA(s series, unit string) string {
	return strings.Join(ranges(s.set, waveJA, strconv.Itoa), unit+"・") + unit
}

// daysJA describes the days.
func daysJA(c *cron) string {
	byDay, byWeekday := c.restricts()
	years := c.yearList(waveJA, func(first, last, step int) string {
		if last >= fields[fYear].max {
			return fmt.Sprintf("%d年から%d年ごと", first, step)
		}
		return fmt.Sprintf("%d%s%d年の%d年ごと", first, waveJA, last, step)
	})
	year := ""
	if years != nil {
		year = strings.ReplaceAll(strings.Join(years, "年・")+"年", "ごと年", "ごと")
	}
	month, single := monthsJA(c)
	frame := month
	switch {
	case year != "" && month != "" && single && len(years) == 1 && c.years[0].first == c.years[0].last:
		frame = year + month
	case year != "" && month != "":
		frame = year + "の" + month
	case year != "":
		frame = year
	case month != "":
		frame = "毎年" + month
	}
	days := "毎日"
	dates := ""
	if byDay {
		dates = datesJA(c)
		switch {
		case month == "":
			dates = "毎月" + dates
			if frame != "" {
				dates = frame + "の" + dates
			}
		case single && !c.either && !strings.HasPrefix(dates, "第") && !strings.HasPrefix(dates, "最終") && !strings.HasPrefix(dates, "末日"):
			dates = frame + dates
		default:
			dates = frame + "の" + dates
		}
	}
	switch {
	case byDay && byWeekday && c.either:
		days = dates + "および毎週" + weekdayListJA(c)
	case byDay && byWeekday:
		days = dates + "（" + weekdayListJA(c) + "の場合のみ）"
	case byDay:
		days = dates
	default:
		if byWeekday {
			days = "毎週" + weekdayListJA(c)
		}
		if frame != "" {
			days = frame + "の" + days
		}
	}
	if c.weeks != allWeeks {
		days += "（ISO週番号 " + strings.Join(ranges(c.weeks, waveJA, strconv.Itoa), "・") + " の週のみ）"
	}
	return days
}

// monthsJA lists the months, "" for all, and whether it is one.
func monthsJA(c *cron) (text string, single bool) {
	if c.months == allMonths {
		return "", false
	}
	s := seriesOf(uint64(c.months), 1, 12)
	return countedJA(s, "月"), s.shape == shapeOne
}

// datesJA describes days of the month: 1日・15日, 第2火曜日, 末日.
func datesJA(c *cron) string {
	var list []string
	for _, r := range ranges(uint64(c.days), waveJA, strconv.Itoa) {
		list = append(list, r+"日")
	}
	for i, set := range c.nth {
		for _, d := range values(uint64(set)) {
			if i == 5 {
				list = append(list, "最終"+weekdaysJA[d]+"曜日")
			} else {
				list = append(list, fmt.Sprintf("第%d%s曜日", i+1, weekdaysJA[d]))
			}
		}
	}
	if c.lastDay {
		list = append(list, "末日")
	}
	return strings.Join(list, "・")
}

// weekdayListJA lists the weekdays: 月〜金曜日, 月・水・金曜日.
func weekdayListJA(c *cron) string {
	return strings.Join(ranges(uint64(c.weekdays), waveJA, func(d int) string { return weekdaysJA[d] }), "・") + "曜日"
}
