package bench_test

import (
	"testing"

	"stargate.io/stargate/test/bench"
)

func TestRatiosLeaveOutVoidRounds(t *testing.T) {
	ratios := bench.Ratios([]bench.Round{{50, 100}, {60, 100}, {10, 40}, {70, 100}})
	if len(ratios) != 3 {
		t.Fatalf("got %v, want the round in which the peer ran at 40 of 100 left out", ratios)
	}
	if got := bench.Median(ratios); got != 0.6 {
		t.Errorf("median is %v, want 0.6", got)
	}
}

func TestInterval(t *testing.T) {
	median, low, high := bench.Interval([]float64{1, 2, 3, 4, 5})
	if median != 3 || low > median || high < median || low < 1 || high > 5 {
		t.Errorf("got %v in %v to %v", median, low, high)
	}
}

func TestMetHoldsThePessimisticEndAgainstTheBar(t *testing.T) {
	for _, test := range []struct {
		row bench.Row
		met bool
	}{
		{bench.Row{Value: 0.7, Low: 0.5, High: 0.9, Bar: 0.6, Better: "higher"}, false},
		{bench.Row{Value: 0.7, Low: 0.6, High: 0.9, Bar: 0.6, Better: "higher"}, true},
		{bench.Row{Value: 0.9, Low: 0.8, High: 1.1, Bar: 1, Better: "lower"}, false},
		{bench.Row{Value: 0.9, Low: 0.8, High: 1, Bar: 1, Better: "lower"}, true},
	} {
		if test.row.Met() != test.met {
			t.Errorf("%+v: met is %v", test.row, !test.met)
		}
	}
}
