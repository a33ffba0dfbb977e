package cache

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"hash/crc32"
)

// What lies under a key is a header and what follows:
//
//	L1 token                                   somebody is loading the value
//	V1 token checksum version loaded-at value  the value
//	A1 token checksum version loaded-at        there is none
//
// The token is random: what replaces an entry names the one it has seen, and
// never another that has come in between. The checksum covers what is after
// it.
const (
	kindLease  = "L1"
	kindValue  = "V1"
	kindAbsent = "A1"

	tokenSize  = 16
	leaseSize  = len(kindLease) + tokenSize
	headerSize = leaseSize + 4 + 2 + 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// entry is what a key holds. Its stamp is how its bytes begin, unlike any
// other's.
type entry struct {
	stamp   []byte
	kind    string
	version uint16
	at      int64 // when it was loaded, in Unix microseconds
	value   []byte
}

// newLease is the bytes of a lease, which are its stamp.
func newLease() []byte {
	lease := make([]byte, leaseSize)
	copy(lease, kindLease)
	_, _ = rand.Read(lease[len(kindLease):]) // never fails
	return lease
}

// seal writes a value, or its absence, with a stamp of its own.
func seal(kind string, version uint16, at int64, value []byte) []byte {
	b := make([]byte, headerSize, headerSize+len(value))
	copy(b, kind)
	_, _ = rand.Read(b[len(kind):leaseSize])
	binary.BigEndian.PutUint16(b[leaseSize+4:], version)
	binary.BigEndian.PutUint64(b[leaseSize+6:], uint64(at))
	b = append(b, value...)
	binary.BigEndian.PutUint32(b[leaseSize:], crc32.Checksum(b[leaseSize+4:], castagnoli))
	return b
}

// open reads what seal or newLease wrote; anything else is not an entry.
func open(b []byte) (e entry, ok bool) {
	if len(b) < leaseSize {
		return e, false
	}
	e.stamp, e.kind = b[:leaseSize], string(b[:len(kindLease)])
	if e.kind == kindLease {
		return e, len(b) == leaseSize
	}
	if len(b) < headerSize || e.kind != kindValue && e.kind != kindAbsent ||
		binary.BigEndian.Uint32(b[leaseSize:]) != crc32.Checksum(b[leaseSize+4:], castagnoli) {
		return e, false
	}
	e.version = binary.BigEndian.Uint16(b[leaseSize+4:])
	e.at = int64(binary.BigEndian.Uint64(b[leaseSize+6:])) //nolint:gosec // as it was written
	e.value = b[headerSize:]
	return e, true
}

// isLease tells the stamp of a lease from that of a value.
func isLease(stamp []byte) bool { return bytes.HasPrefix(stamp, []byte(kindLease)) }
