package tree

// share gives every namespace that names a shared profile one of its own.
func (c *commit) share() {}

// compare looks at what objects say of each other.
func (c *commit) compare() {}
