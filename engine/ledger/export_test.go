package ledger

// Rooms counts the servers and sites that are remembered.
func (l *Ledger) Rooms() (servers, sites int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.servers), len(l.sites)
}
