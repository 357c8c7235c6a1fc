// Package junit writes the results of tests as CI systems read them: the XML that JUnit began with.
//
// In: suites of cases, with why those that failed did. Out: the document. It runs no test, and imports
// nothing of ours.
package junit

import (
	"encoding/xml"
	"fmt"
)

// Suite of the cases of one file.
type Suite struct {
	Name     string `xml:"name,attr"`
	Tests    int    `xml:"tests,attr"`
	Failures int    `xml:"failures,attr"`
	Cases    []Case `xml:"testcase"`
}

// Case of a suite, with where it stands.
type Case struct {
	Name    string   `xml:"name,attr"`
	Class   string   `xml:"classname,attr"`
	File    string   `xml:"file,attr"`
	Line    int      `xml:"line,attr"`
	Failure *Failure `xml:"failure"`
}

// Failure of a case: the first thing that is wrong, and all of it.
type Failure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// Add a case, and count it.
func (s *Suite) Add(c Case) {
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	s.Cases = append(s.Cases, c)
}

// Write gives the document.
func Write(suites []Suite) ([]byte, error) {
	text, err := xml.MarshalIndent(struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []Suite  `xml:"testsuite"`
	}{Suites: suites}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing JUnit: %w", err)
	}
	return append([]byte(xml.Header), append(text, '\n')...), nil
}
