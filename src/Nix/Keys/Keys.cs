using System.Diagnostics.CodeAnalysis;
using System.Text;
using NSec.Cryptography;

namespace OrleansCache.Nix;

/// <summary>
/// An Ed25519 signing key as <c>nix key generate-secret</c> prints it: <c>name:base64</c> of 64 bytes.
/// <see cref="ToString"/> gives the name only; <see cref="Export"/> is the one way to the secret.
/// </summary>
public sealed class SecretKey
{
    private static KeyCreationParameters Exportable => new() { ExportPolicy = KeyExportPolicies.AllowPlaintextExport };

    private readonly Key _key;

    private SecretKey(string name, Key key)
    {
        (Name, _key) = (name, key);
        PublicKey = new PublicKey(name, key.PublicKey);
    }

    public string Name { get; }

    public PublicKey PublicKey { get; }

    /// <exception cref="ArgumentException">The name is empty or has a colon or white space.</exception>
    public static SecretKey Generate(string name)
    {
        if (!KeyText.IsValidName(name))
            throw new ArgumentException($"'{name}' cannot name a key: it must not be empty and have no colon or white space.",
                nameof(name));
        return new SecretKey(name, Key.Create(BundledSodium.Ed25519, Exportable));
    }

    /// <summary>White space around the key, as at the end of a key file, is ignored.</summary>
    /// <param name="text">The text of a key file.</param>
    /// <param name="key">The key.</param>
    /// <param name="error">What is wrong with the key, without repeating the text.</param>
    public static bool TryParse(string? text, [NotNullWhen(true)] out SecretKey? key, [NotNullWhen(false)] out string? error)
    {
        (key, error) = (null, null);
        if (!KeyText.TrySplit(text, BundledSodium.SecretKeyBytes, out var name, out var bytes))
        {
            error = "name:base64 of 64 bytes is wanted, as 'nix key generate-secret' prints";
            return false;
        }

        // The first half is the seed, and the second half must be the public key of that seed.
        var pair = Key.Import(BundledSodium.Ed25519, bytes.AsSpan(..BundledSodium.SeedBytes), KeyBlobFormat.RawPrivateKey, Exportable);
        if (pair.PublicKey.Export(KeyBlobFormat.RawPublicKey).AsSpan().SequenceEqual(bytes.AsSpan(BundledSodium.SeedBytes..)))
            key = new SecretKey(name, pair);
        else
            error = "its second half is not the public key of the first, so nothing that it signs could be verified: restore the file, " +
                "or make a new key with 'nix key generate-secret'";
        return key is not null;
    }

    /// <exception cref="FormatException">Not a secret key; the message does not repeat the text.</exception>
    public static SecretKey Parse(string text) => TryParse(text, out var key, out var error) ? key
        : throw new FormatException($"Not a secret key: {error}.");

    /// <summary>The signature as narinfos carry it: <c>name:base64</c>.</summary>
    public string Sign(string message) => Sign(Encoding.UTF8.GetBytes(message));

    /// <inheritdoc cref="Sign(string)"/>
    public string Sign(ReadOnlySpan<byte> message)
    {
        Span<byte> signature = stackalloc byte[BundledSodium.SignatureBytes];
        BundledSodium.Ed25519.Sign(_key, message, signature);
        return $"{Name}:{Convert.ToBase64String(signature)}";
    }

    /// <summary>The text of the key file. Whoever has it can sign.</summary>
    public string Export() => $"{Name}:{Convert.ToBase64String([.. _key.Export(KeyBlobFormat.RawPrivateKey), .. PublicKey.ToBytes()])}";

    public override string ToString() => $"{Name} (secret key)";
}

/// <summary>The public half, as <c>trusted-public-keys</c> lists it: <c>name:base64</c> of 32 bytes.</summary>
public sealed class PublicKey : IEquatable<PublicKey>
{
    private readonly NSec.Cryptography.PublicKey _key;

    internal PublicKey(string name, NSec.Cryptography.PublicKey key) => (Name, _key) = (name, key);

    public string Name { get; }

    public static bool TryParse(string? text, [NotNullWhen(true)] out PublicKey? key)
    {
        key = KeyText.TrySplit(text, BundledSodium.PublicKeyBytes, out var name, out var bytes)
            ? new PublicKey(name, NSec.Cryptography.PublicKey.Import(BundledSodium.Ed25519, bytes, KeyBlobFormat.RawPublicKey))
            : null;
        return key is not null;
    }

    /// <summary>
    /// The text of a public key as it is printed, without what verifying needs: a client that verifies nothing has no libsodium.
    /// </summary>
    /// <returns>Null: it is none.</returns>
    public static string? Normalize(string? text) => KeyText.TrySplit(text, BundledSodium.PublicKeyBytes, out var name, out var bytes)
        ? $"{name}:{Convert.ToBase64String(bytes)}" : null;

    /// <exception cref="FormatException">Not a public key.</exception>
    public static PublicKey Parse(string text) => TryParse(text, out var key)
        ? key
        : throw new FormatException($"'{text}' is not a public key: expected name:base64 of 32 bytes.");

    /// <summary>Is this <c>name:base64</c> signature of the message ours and valid? False for anything malformed.</summary>
    public bool Verify(string message, string signature) => Verify(Encoding.UTF8.GetBytes(message), signature);

    /// <inheritdoc cref="Verify(string, string)"/>
    public bool Verify(ReadOnlySpan<byte> message, string signature) =>
        KeyText.TrySplit(signature, BundledSodium.SignatureBytes, out var name, out var bytes) && name == Name
            && BundledSodium.Ed25519.Verify(_key, message, bytes);

    public override string ToString() => $"{Name}:{Convert.ToBase64String(ToBytes())}";

    internal byte[] ToBytes() => _key.Export(KeyBlobFormat.RawPublicKey);

    public bool Equals(PublicKey? other) => other is not null && Name == other.Name && _key.Equals(other._key);

    public override bool Equals(object? obj) => Equals(obj as PublicKey);

    public override int GetHashCode() => HashCode.Combine(Name, _key);
}

/// <summary>The form that keys and signatures share: <c>name:base64</c>.</summary>
internal static class KeyText
{
    public static bool IsValidName(string? name) => !string.IsNullOrEmpty(name)
        && !name.Any(c => c == ':' || char.IsWhiteSpace(c) || char.IsControl(c) || char.IsSurrogate(c));

    public static bool TrySplit(string? text, int byteCount, [NotNullWhen(true)] out string? name, [NotNullWhen(true)] out byte[]? bytes)
    {
        (name, bytes) = (null, null);
        text = text?.Trim();
        var colon = text?.IndexOf(':') ?? -1;
        if (colon <= 0 || !IsValidName(text![..colon]))
            return false;
        var decoded = new byte[byteCount];
        // A longer text does not fit, and TryFromBase64Chars then returns false.
        if (!Convert.TryFromBase64String(text[(colon + 1)..], decoded, out var written) || written != byteCount)
            return false;
        (name, bytes) = (text[..colon], decoded);
        return true;
    }
}
