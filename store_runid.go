package main

import (
	"encoding/hex"
	"fmt"
)

// A run's id as users see it is a UUIDv7 (RFC 9562) made of its database key and the database's own random id: 48 bits of
// Unix milliseconds, the counter's high 12 bits, the variant, the counter's low 8 bits, 54 bits of the database's id. So it
// sorts by creation, costs no column and no index, and one from another database is not found here.

// RunID gives the text form of a run's key.
func (r *Reader) RunID(key int64) string {
	var b [16]byte
	ms, counter := uint64(key)>>20, uint64(key)&(1<<20-1)
	high := ms<<16 | 7<<12 | counter>>8
	low := 2<<62 | counter&0xff<<54 | r.id
	for i := range 8 {
		b[i], b[8+i] = byte(high>>(56-8*i)), byte(low>>(56-8*i))
	}
	text := make([]byte, 36)
	hex.Encode(text, b[:4])
	hex.Encode(text[9:], b[4:6])
	hex.Encode(text[14:], b[6:8])
	hex.Encode(text[19:], b[8:10])
	hex.Encode(text[24:], b[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text)
}

// ParseRunID reads what RunID wrote; errNotFound for anything else.
func (r *Reader) ParseRunID(text string) (int64, error) {
	var high, low uint64
	var tail uint64
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return 0, errNotFound
	}
	for i, part := range []string{text[:8], text[9:13], text[14:18], text[19:23], text[24:]} {
		b, err := hex.DecodeString(part)
		if err != nil {
			return 0, errNotFound
		}
		for _, v := range b {
			if i < 3 {
				high = high<<8 | uint64(v)
			} else {
				low = low<<8 | uint64(v)
			}
		}
	}
	tail = low & (1<<54 - 1)
	if high>>12&0xf != 7 || low>>62 != 2 || tail != r.id {
		return 0, errNotFound
	}
	key := int64(high>>16)<<20 | int64(high&0xfff)<<8 | int64(low>>54&0xff)
	if key <= 0 || r.RunID(key) != text { // more milliseconds than a key holds, or capital letters
		return 0, fmt.Errorf("run_id: %w", errNotFound)
	}
	return key, nil
}
