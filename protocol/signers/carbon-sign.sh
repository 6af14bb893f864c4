# Signs calls to the carbon platform and checks the signatures of its answers.
#
# One file for any POSIX shell, nothing but openssl and curl:
#
#     PLATFORM=http://127.0.0.1:8080 APP_ID=my-app SIGN_KEY=...   # the key in hexadecimal
#     . ./carbon-sign.sh
#     carbon_token                                    # Z101; the token is kept in TOKEN
#     carbon_post /api/v1/01/Z501 '{"ccid": "..."}'
#     carbon_get '/api/v1/01/Z301?limit=3'
#
# HMAC-SM3 where openssl knows SM3, else HMAC-SHA256; set SIGN_TYPE to choose. The key is an
# argument of openssl, which others on the same machine may see: for trying things out.

if [ -z "$SIGN_TYPE" ]; then
    if openssl dgst -sm3 /dev/null >/dev/null 2>&1; then
        SIGN_TYPE=HMAC-SM3
    else
        SIGN_TYPE=HMAC-SHA256
    fi
fi

# The signature of what comes in, in hexadecimal.
carbon_mac() {
    case "$SIGN_TYPE" in
    HMAC-SM3) _digest=sm3 ;;
    *) _digest=sha256 ;;
    esac
    openssl dgst "-$_digest" -mac HMAC -macopt "hexkey:$SIGN_KEY" | sed 's/^.*= *//'
}

# carbon_call METHOD PATH?QUERY BODY: prints the answer; says so where its signature is wrong.
carbon_call() {
    _time="$(date +%s)000"
    _nonce="$(openssl rand -hex 16)"
    # What is signed of a request: five lines, each with its line feed.
    _sign="$(printf '%s\n%s\n%s\n%s\n%s\n' "$1" "$2" "$_time" "$_nonce" "$3" | carbon_mac)"
    _headers="$(mktemp)"
    _body="$(curl -sS -X "$1" -D "$_headers" --data-binary "$3" \
        -H 'Content-Type: application/json' -H "Authorization: Bearer $TOKEN" \
        -H "X-App-Id: $APP_ID" -H "X-Timestamp: $_time" -H "X-Nonce: $_nonce" \
        -H "X-Sign-Type: $SIGN_TYPE" -H "X-Sign: $_sign" "$PLATFORM$2")"
    printf '%s\n' "$_body"
    # What is signed of an answer: its status and the request's id stand for method and path.
    _status="$(sed -n '1s/^[^ ]* \([0-9]*\).*/\1/p' "$_headers")"
    _right="$(printf '%s\n%s\n%s\n%s\n%s\n' "$_status" "$(carbon_header x-request-id)" \
        "$(carbon_header x-timestamp)" "$(carbon_header x-nonce)" "$_body" | carbon_mac)"
    if [ "$_right" != "$(carbon_header x-sign)" ]; then
        echo "carbon-sign: the answer ($_status) is not signed as agreed" >&2
    fi
    rm -f "$_headers"
}

# A header of the last answer.
carbon_header() {
    tr -d '\r' <"$_headers" | sed -n "s/^$1: //p" | tail -n 1
}

carbon_post() {
    carbon_call POST "$1" "$2"
}

carbon_get() {
    carbon_call GET "$1" ''
}

# Z101: gets a token and keeps it for the calls to come.
carbon_token() {
    _answer="$(carbon_call POST /api/v1/Z101 '{}')"
    TOKEN="$(printf '%s' "$_answer" | carbon_field token)"
    printf '%s\n' "$_answer"
}

# The first text of this name in a JSON document: `carbon_field token`.
carbon_field() {
    grep -o "\"$1\" *: *\"[^\"]*\"" | head -n 1 | sed 's/^"[^"]*" *: *"//; s/"$//'
}
