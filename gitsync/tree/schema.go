package tree

// Schemas of our kinds, compiled once; any number of goroutines may use them.
type Schemas struct{}

// own checks an object of our kinds.
func (r *reading) own() { r.script() }

// defaulted gives the content as the API server would keep it.
func (r *reading) defaulted() map[string]any { return r.object }
