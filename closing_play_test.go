package fature_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/scenario"
)

// playedCase is a case of commission/testdata/periods, as far as a database
// asks.
type playedCase struct {
	Name    string            `json:"name"`
	Sample  commission.Sample `json:"sample"`
	Refused []string          `json:"refused"`
}

// Every case of the vectors is lived: what is recorded and closed comes to what
// the preview of the same sample tells, which the vectors check to the cent. A
// short run lives a sixth of them.
func TestPeriodVectorsLived(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("commission/testdata/periods/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var cases []playedCase
		require.NoError(t, json.Unmarshal(text, &cases), file)
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			for i, c := range cases {
				t.Run(c.Name, func(t *testing.T) {
					if i%shortOrLong(25, 1) != 0 {
						t.Skip("FATURE_LONG=1 is for every case")
					}
					if why := c.unlived(); why != "" {
						t.Skip(why)
					}
					scenario.Play(t, c.Sample)
				})
			}
		})
	}
}

// unlived says why a case has no life in a database, or nothing.
func (c *playedCase) unlived() string {
	switch {
	case c.Refused != nil:
		return refusedSample
	case slices.ContainsFunc(c.Sample.Plans, func(p commission.SamplePlan) bool { return slices.Contains(threes, p.Document.Currency) }):
		return threeDecimals
	}
	for i, v := range c.Sample.Plans[1:] {
		if reflect.DeepEqual(v.Document, c.Sample.Plans[i].Document) {
			return sameDocument
		}
	}
	return ""
}

// Why a case of the vectors has no life in a database.
const (
	refusedSample = "the sample is refused"
	threeDecimals = "the columns hold two decimals"
	sameDocument  = "the same document published again makes no version"
)

// threes are the currencies of three decimals.
var threes = []string{"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}
