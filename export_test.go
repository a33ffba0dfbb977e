package fature

// SetLot has a programme close so many affiliates at once.
func SetLot(p *Program, n int) { p.lot = n }
