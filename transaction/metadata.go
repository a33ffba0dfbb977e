package transaction

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fature/fature/internal/fault"
)

func cleanText(s string) bool {
	return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// checkMetadata bounds the size before anything is made of it, and refuses
// what JSONB would: NUL, invalid UTF-8, and numbers out of range.
func checkMetadata(m map[string]any) error {
	if len(m) == 0 {
		return nil
	}
	if len(m) > maxMetadataKeys {
		return fault.Field("", "has %d keys, more than %d", len(m), maxMetadataKeys)
	}
	w := walk{budget: maxMetadata}
	if err := w.value(m, maxDepth); err != nil {
		return err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return fault.Field("", "is not JSON: %.200v", err)
	}
	if len(text) > maxMetadata {
		return fault.Field("", "is longer than %d bytes", maxMetadata)
	}
	if w.foreign {
		return checkWritten(text)
	}
	return nil
}

// checkWritten checks what Go types of the host's wrote as JSON.
func checkWritten(text []byte) error {
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		return fault.Field("", "is not JSON: %.200v", err)
	}
	w := walk{budget: maxMetadata, written: true}
	return w.value(m, maxDepth)
}

// walk checks what json.Unmarshal makes; other Go values are known by the JSON
// that they write.
type walk struct {
	budget  int
	foreign bool // there were such values
	written bool // this is what they wrote
}

func (w *walk) value(v any, depth int) error {
	if depth == 0 {
		return fault.Field("", "is nested deeper than %d", maxDepth)
	}
	switch v := v.(type) {
	case nil, bool, float64, int, int64:
	case string:
		return w.text(v)
	case json.Number:
		return w.number(string(v))
	case []any:
		for _, item := range v {
			if err := w.value(item, depth-1); err != nil {
				return err
			}
		}
	case map[string]any:
		for key, item := range v {
			if err := w.text(key); err != nil {
				return err
			}
			if err := w.value(item, depth-1); err != nil {
				return fault.In(fmt.Sprintf("%.40s", strings.ToValidUTF8(key, "?")), err)
			}
		}
	default:
		w.foreign = true
	}
	return w.take(1)
}

func (w *walk) text(s string) error {
	if err := w.take(len(s)); err != nil {
		return err
	}
	// encoding/json writes U+FFFD for what is no text, and reads half a
	// surrogate as one.
	if !cleanText(s) || w.written && strings.ContainsRune(s, utf8.RuneError) {
		return fault.Field("", "is not valid UTF-8 or holds a NUL")
	}
	return nil
}

// number refuses a few characters that JSONB would write out as thousands of
// digits.
func (w *walk) number(text string) error {
	if err := w.take(len(text)); err != nil {
		return err
	}
	digits, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	n, err := strconv.Atoi(exponent)
	if len(digits) > maxDigits || exponent != "" && (err != nil || n > maxExponent || n < -maxExponent) {
		return fault.Field("", "is a number out of range")
	}
	return nil
}

func (w *walk) take(n int) error {
	if w.budget -= n; w.budget < 0 {
		return fault.Field("", "is longer than %d bytes", maxMetadata)
	}
	return nil
}
