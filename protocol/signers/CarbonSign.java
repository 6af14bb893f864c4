// Signs requests to the carbon platform and checks the signatures of its answers and pushes.
// One file, nothing but the JDK (17 or newer), which has no SM3 of its own: it is written below.
//
//   var signer = new CarbonSign("my-app", HexFormat.of().parseHex("..."), "HMAC-SM3");
//   Map<String, String> headers = signer.headers("POST", "/api/v1/Z101", body);
//   signer.answerIsRight(200, answerHeaders, answerBody);
//   signer.pushIsRight("POST", "/push/z203", pushHeaders, pushBody);
//
// SM2-SM3 is the third type; the JDK has no SM2. With a provider that has it (SM3withSM2), X-Sign is
// the signature in DER (never r and s side by side) in hexadecimal, with the signer's id
// 1234567812345678; answers and pushes verify under the platform's keys of GET /api/v1/keys.
// vectors.json has signatures to verify.

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

public final class CarbonSign {
    private static final int BLOCK = 64;
    private static final SecureRandom RANDOM = new SecureRandom();

    private final String appId;
    private final byte[] key;
    private final String signType;

    /** One application with its key; the signature types are HMAC-SM3 and HMAC-SHA256. */
    public CarbonSign(String appId, byte[] key, String signType) {
        digest(signType, new byte[0]);
        this.appId = appId;
        this.key = key.clone();
        this.signType = signType;
    }

    /** The headers of a request; the body is the very bytes that are sent. */
    public Map<String, String> headers(String method, String pathAndQuery, byte[] body) {
        String timestamp = Long.toString(System.currentTimeMillis());
        byte[] random = new byte[16];
        RANDOM.nextBytes(random);
        String nonce = HexFormat.of().formatHex(random);
        byte[] text = requestString(method, pathAndQuery, timestamp, nonce, body);
        Map<String, String> headers = new LinkedHashMap<>();
        headers.put("Content-Type", "application/json");
        headers.put("X-App-Id", appId);
        headers.put("X-Timestamp", timestamp);
        headers.put("X-Nonce", nonce);
        headers.put("X-Sign-Type", signType);
        headers.put("X-Sign", sign(signType, key, text));
        return headers;
    }

    /** Whether an answer came from the platform, unchanged. */
    public boolean answerIsRight(int status, Map<String, String> headers, byte[] body) {
        Map<String, String> h = lower(headers);
        return isRight(h, answerString(
            status, h.get("x-request-id"), h.get("x-timestamp"), h.get("x-nonce"), body));
    }

    /** Whether a push (or C101, Q101) came from the platform, unchanged. */
    public boolean pushIsRight(
            String method, String pathAndQuery, Map<String, String> headers, byte[] body) {
        Map<String, String> h = lower(headers);
        return isRight(h, requestString(
            method, pathAndQuery, h.get("x-timestamp"), h.get("x-nonce"), body));
    }

    /** What is signed of a request or a push. */
    public static byte[] requestString(
            String method, String pathAndQuery, String timestamp, String nonce, byte[] body) {
        String head = method + "\n" + pathAndQuery + "\n" + timestamp + "\n" + nonce + "\n";
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        text.writeBytes(head.getBytes(StandardCharsets.UTF_8));
        text.writeBytes(body);
        text.write('\n');
        return text.toByteArray();
    }

    /** What is signed of an answer: its status and the request's id stand for method and path. */
    public static byte[] answerString(
            int status, String requestId, String timestamp, String nonce, byte[] body) {
        return requestString(Integer.toString(status), requestId, timestamp, nonce, body);
    }

    /** The signature in hexadecimal: HMAC (RFC 2104) over SM3 or SHA-256. */
    public static String sign(String signType, byte[] key, byte[] text) {
        byte[] block = Arrays.copyOf(key.length > BLOCK ? digest(signType, key) : key, BLOCK);
        byte[] inner = digest(signType, padded(block, 0x36, text));
        return HexFormat.of().formatHex(digest(signType, padded(block, 0x5c, inner)));
    }

    private boolean isRight(Map<String, String> headers, byte[] text) {
        String type = headers.getOrDefault("x-sign-type", "");
        if (!type.equals("HMAC-SM3") && !type.equals("HMAC-SHA256")) {
            return false;
        }
        byte[] given = headers.getOrDefault("x-sign", "").toLowerCase(Locale.ROOT)
            .getBytes(StandardCharsets.UTF_8);
        return MessageDigest.isEqual(
            given, sign(type, key, text).getBytes(StandardCharsets.UTF_8));
    }

    private static Map<String, String> lower(Map<String, String> headers) {
        Map<String, String> lower = new TreeMap<>();
        headers.forEach((name, value) -> lower.put(name.toLowerCase(Locale.ROOT), value));
        return lower;
    }

    private static byte[] padded(byte[] block, int pad, byte[] text) {
        byte[] whole = Arrays.copyOf(block, BLOCK + text.length);
        for (int at = 0; at < BLOCK; at++) {
            whole[at] ^= (byte) pad;
        }
        System.arraycopy(text, 0, whole, BLOCK, text.length);
        return whole;
    }

    private static byte[] digest(String signType, byte[] bytes) {
        try {
            return switch (signType) {
                case "HMAC-SM3" -> sm3(bytes);
                case "HMAC-SHA256" -> MessageDigest.getInstance("SHA-256").digest(bytes);
                default -> throw new IllegalArgumentException(
                    "the signature types are HMAC-SM3 and HMAC-SHA256");
            };
        } catch (GeneralSecurityException every) {
            throw new IllegalStateException("every JDK has SHA-256", every);
        }
    }

    /** SM3 (GB/T 32905-2016). */
    static byte[] sm3(byte[] message) {
        int[] v = {
            0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600,
            0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e
        };
        int padded = (message.length + 9 + BLOCK - 1) / BLOCK * BLOCK;
        ByteBuffer blocks = ByteBuffer.wrap(Arrays.copyOf(message, padded));
        blocks.put(message.length, (byte) 0x80);
        blocks.putLong(padded - 8, message.length * 8L);
        int[] w = new int[68];
        while (blocks.hasRemaining()) {
            for (int j = 0; j < 16; j++) {
                w[j] = blocks.getInt();
            }
            for (int j = 16; j < 68; j++) {
                int x = w[j - 16] ^ w[j - 9] ^ Integer.rotateLeft(w[j - 3], 15);
                w[j] = x ^ Integer.rotateLeft(x, 15) ^ Integer.rotateLeft(x, 23)
                    ^ Integer.rotateLeft(w[j - 13], 7) ^ w[j - 6];
            }
            compress(v, w);
        }
        ByteBuffer out = ByteBuffer.allocate(32);
        for (int word : v) {
            out.putInt(word);
        }
        return out.array();
    }

    private static void compress(int[] v, int[] w) {
        int a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5], g = v[6], h = v[7];
        for (int j = 0; j < 64; j++) {
            int t = Integer.rotateLeft(j < 16 ? 0x79cc4519 : 0x7a879d8a, j);
            int ss1 = Integer.rotateLeft(Integer.rotateLeft(a, 12) + e + t, 7);
            int ss2 = ss1 ^ Integer.rotateLeft(a, 12);
            int ff = j < 16 ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
            int gg = j < 16 ? e ^ f ^ g : (e & f) | (~e & g);
            int tt1 = ff + d + ss2 + (w[j] ^ w[j + 4]);
            int tt2 = gg + h + ss1 + w[j];
            d = c;
            c = Integer.rotateLeft(b, 9);
            b = a;
            a = tt1;
            h = g;
            g = Integer.rotateLeft(f, 19);
            f = e;
            e = tt2 ^ Integer.rotateLeft(tt2, 9) ^ Integer.rotateLeft(tt2, 17);
        }
        int[] next = {a, b, c, d, e, f, g, h};
        for (int at = 0; at < 8; at++) {
            v[at] ^= next[at];
        }
    }
}
