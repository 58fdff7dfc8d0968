using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Oidc;

/// <summary>Tokens that nobody may be let in with, each with the name of what is wrong with it; a seed makes the same ones again.</summary>
internal sealed class HostileTokens(OidcProvider provider, OidcProvider other, int seed)
{
    private readonly Random _random = new(seed);
    private readonly TokenKey _forger = TokenKey.Make("key-1");
    private readonly TokenKey _curve = TokenKey.Make("key-1", "ES256");

    public IEnumerable<(string What, string Token)> Make(int count)
    {
        var kinds = Kinds();
        for (var n = 0; n < count; n++)
        {
            var (what, make) = kinds[n % kinds.Count];
            yield return (what, make());
        }
    }

    private List<(string What, Func<string> Make)> Kinds() =>
    [
        // Signatures.
        ("another key under the same id", () => _forger.Sign(Claims())),
        ("another kind of key under the same id", () => _curve.Sign(Claims())),
        ("the key of another issuer", () => other.Key.Sign(Claims())),
        ("no signature", () => Unsigned("none", Claims()) + "AA"),
        ("an empty signature", () => Unsigned("RS256", Claims())),
        ("algorithm none, in some spelling", () => Unsigned(Pick("none", "None", "NONE", "nOnE", ""), Claims()) + "AA"),
        ("a changed signature", () => Flipped(Good(), 2)),
        ("changed claims", () => Flipped(Good(), 1)),
        ("a changed header", () => Flipped(Good(), 0)),
        ("a shortened signature", () => Good()[..^_random.Next(1, 100)]),
        ("a longer signature", () => Good() + Text(_random.Next(1, 40))),
        ("the signature of other claims", () => Part(Good(), 0) + "." + TokenKey.Encode(Bytes(Claims(("repository_id", "1296269"),
            ("x", _random.Next())))) + "." + Part(Good(), 2)),
        // Algorithms.
        ("HMAC with the public key as its secret", () => Hmac(Pick("HS256", "HS384", "HS512"), Encoding.ASCII.GetBytes(
            provider.Key.PublicPem()))),
        ("HMAC with the modulus as its secret", () => Hmac("HS256", Encoding.ASCII.GetBytes((string)provider.Key.PublicJwk()["n"]!))),
        ("HMAC with no secret", () => Hmac("HS256", [])),
        ("an algorithm that the key is not for", () => Signed(Claims(), ("alg", Pick("PS256", "RS384", "ES256", "HS256", "RS512")))),
        ("an unknown algorithm", () => Signed(Claims(), ("alg", Pick("RSA1_5", "dir", "EdDSA", "rs256", "RS256 ", "XX" + Text(5))))),
        ("an algorithm that is no text", () => Signed(Claims(), ("alg", Odd()))),
        ("no algorithm", () => Signed(Claims(), ("alg", null))),
        // Key ids and headers.
        ("an unknown key id", () => Signed(Claims(), ("kid", Pick("key-2", "../../key-1", "key-1' or '1'='1", "KEY-1", Text(300), "")))),
        ("a key id that is no text", () => Signed(Claims(), ("kid", Odd()))),
        ("a key in the header", () => _forger.Sign(Claims(), new JsonObject { ["jwk"] = _forger.PublicJwk() })),
        ("an address of keys in the header", () => _forger.Sign(Claims(), new JsonObject
        {
            ["kid"] = Text(5), ["jku"] = other.Url + "/keys", ["x5u"] = other.Url + "/keys"
        })),
        ("an extension that has to be understood", () => Signed(Claims(), ("crit", new JsonArray("exp")), ("b64", false))),
        ("another type of token", () => Signed(Claims(), ("typ", Pick("logout+jwt", "secevent+jwt", "JOSE", "dpop+jwt")))),
        ("a type that is no text", () => Signed(Claims(), ("typ", Odd()))),
        // Issuer and audience.
        ("another issuer", () => Signed(Claims(("iss", Pick(other.Url, provider.Url + "/", provider.Url.ToUpperInvariant(), "", Text(9)))))),
        ("an issuer that is no text", () => Signed(Claims(("iss", Odd())))),
        ("no issuer", () => Signed(Claims(("iss", null)))),
        ("another audience", () => Signed(Claims(("aud", Pick("https://cache.example.com", OidcGateway.Audience + "/",
            OidcGateway.Audience + ".evil", "HTTPS://CACHE.EXAMPLE.ORG", "", "*"))))),
        ("other audiences", () => Signed(Claims(("aud", new JsonArray("a", Text(4), 7, null, new JsonArray(OidcGateway.Audience)))))),
        ("an audience that is no text", () => Signed(Claims(("aud", Odd())))),
        ("no audience", () => Signed(Claims(("aud", null)))),
        // Times.
        ("expired", () => Signed(Claims(("exp", Now - _random.Next(61, 1_000_000))))),
        ("no end", () => Signed(Claims(("exp", null)))),
        ("an end that is no time", () => Signed(Claims(("exp", OddTime())))),
        ("not valid yet", () => Signed(Claims(("nbf", Now + _random.Next(90, 1_000_000))))),
        ("a beginning that is no time", () => Signed(Claims(("nbf", OddTime())))),
        ("issued in the future", () => Signed(Claims(("iat", Now + _random.Next(90, 1_000_000))))),
        ("a time at the end of all times", () => _forger.Sign(Claims((Pick("exp", "nbf", "iat"), LastTime())))),
        ("a time after the end of all times", () => Signed(Claims((Pick("exp", "nbf", "iat"), Pick(253_402_300_799, 253_402_300_800,
            long.MaxValue))))),
        ("not valid before the end of all times", () => Signed(Claims((Pick("nbf", "iat"), LastTime())))),
        // Claims that no rule matches.
        ("another repository", () => Signed(Claims(("repository_id", Pick("1296268", "12962690", " 1296269", "1296269\n", "*", ""))))),
        ("a repository inside something", () => Signed(Claims(("repository_id", new JsonObject { ["repository_id"] = "1296269" })))),
        ("a repository deep inside lists", () => Signed(Claims(("repository_id", new JsonArray(new JsonArray("1296269")))))),
        ("a repository under another name", () => Signed(Claims(("repository_id", null), ("Repository_id", "1296269"),
            ("repository", new JsonObject { ["id"] = "1296269" })))),
        ("a number that is another text", () => Signed(Raw("repository_id", Pick("1296269.0", "1.296269e6", "1296269e0")))),
        // Texts that are no token.
        ("a claim that is there twice", () => provider.Key.Sign(Claims().ToJsonString()[..^1] + ""","repository_id":"1296269"}""")),
        ("claims that are no object", () => provider.Key.Sign(Pick("[]", "null", "7", "\"x\"", "", "{", "{}x", "\0"))),
        ("a header that is no object", () => provider.Key.SignText(Pick("[]", "null", """{"alg":"RS256","alg":"none"}""", "{", ""), Claims()
            .ToJsonString())),
        ("claims that are nested too deeply", () => provider.Key.Sign(Claims().ToJsonString()[..^1] + ",\"x\":" + new string('[', 400)
            + new string(']', 400) + "}")),
        ("half a character in a claim", () => provider.Key.Sign(Claims().ToJsonString()[..^1] + ",\"x\":\"\\ud800\"}")),
        ("half a character in a name", () => provider.Key.Sign(Claims().ToJsonString()[..^1] + ",\"\\udc00\":1}")),
        ("bytes that are no text", () => Bytewise()),
        ("more than a token's length", () => Signed(Claims(("x", Text(14_000))))),
        ("more parts", () => Good() + "." + Text(8)),
        ("fewer parts", () => Part(Good(), 0) + "." + Part(Good(), 1)),
        ("base64 of the other kind", () => Good().Replace('-', '+').Replace('_', '/') + "=="),
        ("noise between the parts", () => Part(Good(), 0) + "." + Part(Good(), 1)[..^4] + Pick("%00", "!!", "~~", "..") + "."
            + Part(Good(), 2)),
        ("random parts", () => $"{Text(_random.Next(1, 40))}.{Text(_random.Next(1, 40))}.{Text(_random.Next(1, 40))}"),
        ("bits of a good token, shuffled", () => Part(Good(), 1) + "." + Part(Good(), 0) + "." + Part(Good(), 2)),
    ];

    private static long Now => DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    public JsonObject Claims(params (string Name, JsonNode? Value)[] changes)
    {
        var claims = ExampleClaims.GitHub(OidcGateway.Audience);
        (claims["iss"], claims["iat"], claims["nbf"], claims["exp"], claims["jti"]) = (provider.Url, Now, Now - 5, Now + 600, Text(12));
        foreach (var (name, value) in changes)
        {
            claims.Remove(name);
            if (value is not null)
                claims[name] = value;
        }

        return claims;
    }

    private string Good() => provider.Key.Sign(Claims());

    private string Signed(JsonObject claims, params (string Name, JsonNode? Value)[] header) => provider.Key.Sign(claims,
        new JsonObject(header.Select(h => KeyValuePair.Create(h.Name, h.Value))));

    private string Signed(string claims) => provider.Key.Sign(claims);

    // A number as it is written here.
    private string Raw(string name, string number) => Claims((name, null)).ToJsonString()[..^1] + $",\"{name}\":{number}}}";

    private static string Unsigned(string algorithm, JsonObject claims) =>
        $"{TokenKey.Encode(Bytes(new JsonObject { ["alg"] = algorithm, ["kid"] = "key-1" }))}.{TokenKey.Encode(Bytes(claims))}.";

    private string Hmac(string algorithm, byte[] secret)
    {
        var text = Unsigned(algorithm, Claims())[..^1];
        var bytes = Encoding.ASCII.GetBytes(text);
        return $"{text}.{TokenKey.Encode(algorithm switch
        {
            "HS384" => HMACSHA384.HashData(secret, bytes),
            "HS512" => HMACSHA512.HashData(secret, bytes),
            _ => HMACSHA256.HashData(secret, bytes),
        })}";
    }

    private string Bytewise()
    {
        var claims = Bytes(Claims());
        claims[_random.Next(2, claims.Length - 2)] = (byte)_random.Next(0xF8, 0x100);
        var text = $"{Part(Good(), 0)}.{TokenKey.Encode(claims)}";
        return $"{text}.{Part(Good(), 2)}";
    }

    // Another character of base64url in the middle of a part: at its end some bits count for nothing.
    private string Flipped(string token, int part)
    {
        var parts = token.Split('.');
        var at = _random.Next(parts[part].Length - 4);
        parts[part] = $"{parts[part][..at]}{(parts[part][at] == 'A' ? 'B' : 'A')}{parts[part][(at + 1)..]}";
        return string.Join('.', parts);
    }

    private static string Part(string token, int part) => token.Split('.')[part];

    private static byte[] Bytes(JsonObject claims) => Encoding.UTF8.GetBytes(claims.ToJsonString());

    private T Pick<T>(params T[] of) => of[_random.Next(of.Length)];

    private JsonNode Odd() => Pick<Func<JsonNode>>(() => 7, () => true, () => new JsonArray("RS256"), () => new JsonObject { ["a"] = "b" },
        () => new JsonArray(), () => 1e300)();

    private JsonNode OddTime() => Pick<Func<JsonNode>>(() => "soon", () => "99999999999", () => -1, () => 1e300, () => true,
        () => new JsonArray(1), () => new JsonObject())();

    // The last of what DateTimeOffset has, and what a minute makes too much of.
    private double LastTime() => Pick(253_402_300_738d, 253_402_300_739, 253_402_300_740, 253_402_300_798, 253_402_300_798.9);

    private string Text(int length) => new(Enumerable.Range(0, length).Select(_ => (char)_random.Next('a', 'z' + 1)).ToArray());
}
