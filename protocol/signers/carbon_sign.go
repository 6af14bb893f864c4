// Package carbonsign signs requests to the carbon platform and checks the signatures of its answers
// and pushes. One file, nothing but the standard library, which has no SM3: it is written below.
//
//	signer := carbonsign.Signer{AppID: "my-app", Key: key, SignType: carbonsign.HMACSM3}
//	err := signer.Sign(request, body)
//	ok := signer.AnswerIsRight(response, answerBody)
//	ok = signer.PushIsRight(pushRequest, pushBody)
//
// SM2-SM3 is the third type; Go's standard library has no SM2. With a library that has it, X-Sign is
// the signature in DER (never r and s side by side) in hexadecimal, with the signer's id
// 1234567812345678; answers and pushes verify under the platform's keys of GET /api/v1/keys.
// vectors.json has signatures to verify.
package carbonsign

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math/bits"
	"net/http"
	"strings"
	"time"
)

// The signature types.
const (
	HMACSM3    = "HMAC-SM3"
	HMACSHA256 = "HMAC-SHA256"
)

// Signer is one application with its key.
type Signer struct {
	AppID    string
	Key      []byte
	SignType string
}

// Sign sets the headers of a request; body is the very bytes that are sent.
func (s Signer) Sign(r *http.Request, body []byte) error {
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return err
	}
	stamp, nonce := fmt.Sprint(time.Now().UnixMilli()), hex.EncodeToString(random[:])
	signature, err := Sign(s.SignType, s.Key, RequestString(r.Method, r.URL.RequestURI(), stamp, nonce, body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-App-Id", s.AppID)
	r.Header.Set("X-Timestamp", stamp)
	r.Header.Set("X-Nonce", nonce)
	r.Header.Set("X-Sign-Type", s.SignType)
	r.Header.Set("X-Sign", signature)
	return nil
}

// AnswerIsRight says whether an answer came from the platform, unchanged.
func (s Signer) AnswerIsRight(r *http.Response, body []byte) bool {
	h := r.Header
	text := AnswerString(r.StatusCode, h.Get("X-Request-Id"), h.Get("X-Timestamp"), h.Get("X-Nonce"), body)
	return s.isRight(h, text)
}

// PushIsRight says whether a push (or C101, Q101) came from the platform, unchanged.
func (s Signer) PushIsRight(r *http.Request, body []byte) bool {
	h := r.Header
	text := RequestString(r.Method, r.URL.RequestURI(), h.Get("X-Timestamp"), h.Get("X-Nonce"), body)
	return s.isRight(h, text)
}

func (s Signer) isRight(h http.Header, text []byte) bool {
	right, err := Sign(h.Get("X-Sign-Type"), s.Key, text)
	return err == nil && hmac.Equal([]byte(right), []byte(strings.ToLower(h.Get("X-Sign"))))
}

// RequestString is what is signed of a request or a push.
func RequestString(method, pathAndQuery, timestamp, nonce string, body []byte) []byte {
	head := method + "\n" + pathAndQuery + "\n" + timestamp + "\n" + nonce + "\n"
	return append(append([]byte(head), body...), '\n')
}

// AnswerString is what is signed of an answer: its status and the request's id stand for method and path.
func AnswerString(status int, requestID, timestamp, nonce string, body []byte) []byte {
	return RequestString(fmt.Sprint(status), requestID, timestamp, nonce, body)
}

// Sign gives the signature in hexadecimal.
func Sign(signType string, key, text []byte) (string, error) {
	digests := map[string]func() hash.Hash{HMACSM3: newSM3, HMACSHA256: sha256.New}
	digest, known := digests[signType]
	if !known {
		return "", fmt.Errorf("the signature types are %s and %s", HMACSM3, HMACSHA256)
	}
	mac := hmac.New(digest, key)
	mac.Write(text)
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// sm3 is GB/T 32905-2016 as a hash.Hash; it keeps the message and hashes it at the end.
type sm3 struct{ message []byte }

func newSM3() hash.Hash                    { return &sm3{} }
func (s *sm3) Write(p []byte) (int, error) { s.message = append(s.message, p...); return len(p), nil }
func (s *sm3) Reset()                      { s.message = s.message[:0] }
func (s *sm3) Size() int                   { return 32 }
func (s *sm3) BlockSize() int              { return 64 }

func (s *sm3) Sum(prefix []byte) []byte {
	message := append(append([]byte{}, s.message...), 0x80)
	for len(message)%64 != 56 {
		message = append(message, 0)
	}
	message = binary.BigEndian.AppendUint64(message, uint64(len(s.message))*8)
	v := [8]uint32{
		0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600,
		0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e,
	}
	for ; len(message) > 0; message = message[64:] {
		v = compress(v, message[:64])
	}
	for _, word := range v {
		prefix = binary.BigEndian.AppendUint32(prefix, word)
	}
	return prefix
}

func compress(v [8]uint32, block []byte) [8]uint32 {
	var w [68]uint32
	for j := range w {
		if j < 16 {
			w[j] = binary.BigEndian.Uint32(block[4*j:])
			continue
		}
		x := w[j-16] ^ w[j-9] ^ bits.RotateLeft32(w[j-3], 15)
		w[j] = x ^ bits.RotateLeft32(x, 15) ^ bits.RotateLeft32(x, 23) ^ bits.RotateLeft32(w[j-13], 7) ^ w[j-6]
	}
	a, b, c, d, e, f, g, h := v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]
	for j := 0; j < 64; j++ {
		t, ff, gg := uint32(0x79cc4519), a^b^c, e^f^g
		if j >= 16 {
			t, ff, gg = 0x7a879d8a, a&b|a&c|b&c, e&f|^e&g
		}
		ss1 := bits.RotateLeft32(bits.RotateLeft32(a, 12)+e+bits.RotateLeft32(t, j%32), 7)
		tt1 := ff + d + (ss1 ^ bits.RotateLeft32(a, 12)) + (w[j] ^ w[j+4])
		tt2 := gg + h + ss1 + w[j]
		a, b, c, d = tt1, a, bits.RotateLeft32(b, 9), c
		e, f, g, h = tt2^bits.RotateLeft32(tt2, 9)^bits.RotateLeft32(tt2, 17), e, bits.RotateLeft32(f, 19), g
	}
	return [8]uint32{
		v[0] ^ a, v[1] ^ b, v[2] ^ c, v[3] ^ d, v[4] ^ e, v[5] ^ f, v[6] ^ g, v[7] ^ h,
	}
}
