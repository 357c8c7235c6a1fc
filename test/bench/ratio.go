package bench

import (
	"math/rand/v2"
	"slices"
)

// Row of the table and of bench.json.
type Row struct {
	Name string `json:"name"`
	// Value is the median of the rounds, with the interval from Low to High.
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	// Bar that the pessimistic end is held against.
	Bar    float64 `json:"bar"`
	Better string  `json:"better"`
	Commit string  `json:"commit"`
	// Note says what the row does not cover, or what was tried where it falls short.
	Note string `json:"note,omitempty"`
}

// Met tells whether the pessimistic end is within the bar.
func (r Row) Met() bool {
	if r.Better == "higher" {
		return r.Low >= r.Bar
	}
	return r.High <= r.Bar
}

// Round is one pair of measurements: ours and the peer's, in any unit that both share.
type Round struct{ Ours, Peer float64 }

// Ratios gives ours over the peer's for each round, leaving out those in which the peer ran at
// under half of its own best, because the machine was then busy with something else.
func Ratios(rounds []Round) []float64 {
	best := 0.0
	for _, round := range rounds {
		best = max(best, round.Peer)
	}
	var ratios []float64
	for _, round := range rounds {
		if round.Peer >= best/2 {
			ratios = append(ratios, round.Ours/round.Peer)
		}
	}
	return ratios
}

// Interval gives the median of values with its 95 % bootstrap interval. The resampling is seeded, so
// that the same rounds always give the same interval.
func Interval(values []float64) (median, low, high float64) {
	if len(values) == 0 {
		return 0, 0, 0
	}
	random := rand.New(rand.NewPCG(1, 2))
	medians := make([]float64, 2000)
	sample := make([]float64, len(values))
	for i := range medians {
		for j := range sample {
			sample[j] = values[random.IntN(len(values))]
		}
		medians[i] = Median(sample)
	}
	slices.Sort(medians)
	return Median(values), medians[len(medians)*25/1000], medians[len(medians)*975/1000]
}

// Median of values; zero for none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
