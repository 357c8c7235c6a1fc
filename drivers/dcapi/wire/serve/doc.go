// Package serve is what every server of the DC API does alike, whatever its jobs are: it reads requests within bounds,
// answers and refuses in the API's form, asks for the token, compares identities, and goes onto the network and off it.
//
// In: requests. Out: decoded bodies and answers. What a site decides is its own; the driver imports nothing of this, so
// that what it believes of a site never comes from here.
package serve
