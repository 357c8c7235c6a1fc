package tree

// foreign checks an object of Kubernetes' own kinds.
func (r *reading) foreign() {}
