package hooks

// Script that was compiled.
type Script struct {
	// Name for messages, for example "drain.lua".
	Name string
	// Text of it.
	Text string
	// Hash over the text.
	Hash string
}

// Problem with a script.
type Problem struct {
	// Line and Column from 1; zero where they are not known.
	Line, Column int
	// Message says what is wrong and how to mend it.
	Message string
}
