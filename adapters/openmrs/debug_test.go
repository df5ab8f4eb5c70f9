package openmrs_test

import (
	"fmt"
	double "github.com/njia-health/njia/conformance/systems/openmrs"
	"testing"
	"testing/synctest"
	"time"
)

func TestDebug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := double.New(double.Options{Open: true, Shuffle: 2, LivePages: true, Now: func() time.Time { return time.Now().Add(-time.Hour) }})
		wrong := play(t, s, []act{{"patient", 2, 5e9}, {"meanwhile", 0, 0}, {"patient", 6, 18e10}}, 1, "beginning")
		fmt.Println(wrong)
		for _, r := range s.Requests() {
			fmt.Println(r.Time.Format("04:05"), r.Status, r.Path, r.Query)
		}
	})
}
