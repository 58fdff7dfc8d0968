using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace OrleansCache.Testing;

/// <summary>A key that signs tokens (JWT) by .NET's cryptography alone, so nothing of what checks them takes part in making them.</summary>
public sealed class TokenKey : IDisposable
{
    private readonly AsymmetricAlgorithm _key;

    private TokenKey(string id, string algorithm, AsymmetricAlgorithm key) => (Id, Algorithm, _key) = (id, algorithm, key);

    public string Id { get; }

    /// <summary>Such as RS256 or ES384.</summary>
    public string Algorithm { get; }

    public static TokenKey Make(string id, string algorithm = "RS256", int rsaBits = 2048) => new(id, algorithm, algorithm switch
    {
        "ES256" => ECDsa.Create(ECCurve.NamedCurves.nistP256),
        "ES384" => ECDsa.Create(ECCurve.NamedCurves.nistP384),
        "ES512" => ECDsa.Create(ECCurve.NamedCurves.nistP521),
        _ => RSA.Create(rsaBits),
    });

    /// <summary>Its public half, as an issuer publishes it.</summary>
    public JsonObject PublicJwk()
    {
        var jwk = new JsonObject { ["kid"] = Id, ["use"] = "sig", ["alg"] = Algorithm };
        if (_key is RSA rsa)
        {
            var numbers = rsa.ExportParameters(false);
            (jwk["kty"], jwk["n"], jwk["e"]) = ("RSA", Encode(numbers.Modulus!), Encode(numbers.Exponent!));
            return jwk;
        }

        var point = ((ECDsa)_key).ExportParameters(false).Q;
        (jwk["kty"], jwk["crv"], jwk["x"], jwk["y"]) = ("EC", Algorithm switch { "ES256" => "P-256", "ES384" => "P-384", _ => "P-521" },
            Encode(point.X!), Encode(point.Y!));
        return jwk;
    }

    /// <summary>The public half as text, of which a forger makes a secret of HMAC.</summary>
    public string PublicPem() => _key.ExportSubjectPublicKeyInfoPem();

    /// <param name="header">Members to set in the header; null removes one.</param>
    public string Sign(JsonObject claims, JsonObject? header = null) => Sign(claims.ToJsonString(), header);

    /// <param name="claims">Any text.</param>
    /// <param name="header">Members to set in the header; null removes one.</param>
    public string Sign(string claims, JsonObject? header = null) => SignText(HeaderOf(header).ToJsonString(), claims);

    /// <summary>Signs what need be no JSON.</summary>
    public string SignText(string header, string claims)
    {
        var text = $"{Encode(Encoding.UTF8.GetBytes(header))}.{Encode(Encoding.UTF8.GetBytes(claims))}";
        return $"{text}.{Encode(SignatureOf(Encoding.ASCII.GetBytes(text)))}";
    }

    public static string Encode(byte[] bytes) => Base64Url.EncodeToString(bytes);

    public void Dispose() => _key.Dispose();

    private JsonObject HeaderOf(JsonObject? more)
    {
        var header = new JsonObject { ["alg"] = Algorithm, ["kid"] = Id, ["typ"] = "JWT" };
        foreach (var (name, value) in more ?? [])
        {
            header.Remove(name);
            if (value is not null)
                header[name] = value.DeepClone();
        }

        return header;
    }

    private byte[] SignatureOf(byte[] text)
    {
        var hash = Algorithm[2..] switch
        {
            "256" => HashAlgorithmName.SHA256,
            "384" => HashAlgorithmName.SHA384,
            _ => HashAlgorithmName.SHA512,
        };
        return _key is RSA rsa
            ? rsa.SignData(text, hash, Algorithm.StartsWith('P') ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1)
            : ((ECDsa)_key).SignData(text, hash);
    }
}
