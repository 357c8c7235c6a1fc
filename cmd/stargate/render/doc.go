// Package render turns values into what people and programs read: tables, bars, colour, durations,
// JSON and YAML.
//
// In: values and a Style that says what the stream can show. Out: text. It never asks a cluster,
// and never lets through what could drive a terminal: everything that comes from a datacenter or
// from an object passes through Clean.
package render
