package controllers

// policies are those that every Operation is judged by.
type policies struct{}

func (p *policies) any() bool { return false }
