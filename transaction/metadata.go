package transaction

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/fature/fature/internal/fault"
)

func cleanText(s string) bool {
	return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// checkMetadata bounds the size before anything is made of it, and refuses
// what JSONB would: NUL and invalid UTF-8.
func checkMetadata(m map[string]any) error {
	if len(m) == 0 {
		return nil
	}
	if len(m) > maxMetadataKeys {
		return fault.Field("", "has %d keys, more than %d", len(m), maxMetadataKeys)
	}
	budget := maxMetadata
	if err := checkValue(m, maxDepth, &budget); err != nil {
		return err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return fault.Field("", "is not JSON: %v", err)
	}
	if len(text) > maxMetadata {
		return fault.Field("", "is longer than %d bytes", maxMetadata)
	}
	return nil
}

// checkValue walks what json.Unmarshal makes; other Go values are left to
// json.Marshal, within the budget.
func checkValue(v any, depth int, budget *int) error {
	if depth == 0 {
		return fault.Field("", "is nested deeper than %d", maxDepth)
	}
	switch v := v.(type) {
	case string:
		return checkString(v, budget)
	case json.Number:
		return checkString(string(v), budget)
	case []any:
		for _, item := range v {
			if err := checkValue(item, depth-1, budget); err != nil {
				return err
			}
		}
	case map[string]any:
		for key, item := range v {
			if err := checkString(key, budget); err != nil {
				return err
			}
			if err := checkValue(item, depth-1, budget); err != nil {
				return fault.In(fmt.Sprintf("%.40s", strings.ToValidUTF8(key, "?")), err)
			}
		}
	}
	if *budget--; *budget < 0 {
		return fault.Field("", "is longer than %d bytes", maxMetadata)
	}
	return nil
}

func checkString(s string, budget *int) error {
	if *budget -= len(s); *budget < 0 {
		return fault.Field("", "is longer than %d bytes", maxMetadata)
	}
	if !cleanText(s) {
		return fault.Field("", "is not valid UTF-8 or holds a NUL")
	}
	return nil
}
