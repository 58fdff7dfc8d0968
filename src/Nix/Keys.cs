using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace OrleansCache.Nix;

/// <summary>
/// An Ed25519 signing key as <c>nix key generate-secret</c> prints it: <c>name:base64</c> of 64 bytes.
/// <see cref="ToString"/> gives the name only; <see cref="Export"/> is the one way to the secret.
/// </summary>
public sealed class SecretKey
{
    private readonly byte[] _secret;

    private SecretKey(string name, byte[] secret)
    {
        Name = name;
        _secret = secret;
        var bytes = new byte[Sodium.PublicKeyBytes];
        Sodium.PublicOf(secret, bytes);
        PublicKey = new PublicKey(name, bytes);
    }

    public string Name { get; }

    public PublicKey PublicKey { get; }

    /// <exception cref="ArgumentException">The name is empty or has a colon or white space.</exception>
    public static SecretKey Generate(string name)
    {
        if (!KeyText.IsValidName(name))
            throw new ArgumentException($"'{name}' cannot name a key: it must not be empty and have no colon or white space.", nameof(name));
        var secret = new byte[Sodium.SecretKeyBytes];
        Sodium.KeyPair(stackalloc byte[Sodium.PublicKeyBytes], secret);
        return new SecretKey(name, secret);
    }

    /// <summary>White space around the key, as at the end of a key file, is ignored.</summary>
    /// <param name="text">The text of a key file.</param>
    /// <param name="key">The key.</param>
    /// <param name="error">What is wrong with it; it does not repeat the text.</param>
    public static bool TryParse(string? text, [NotNullWhen(true)] out SecretKey? key, [NotNullWhen(false)] out string? error)
    {
        (key, error) = (null, null);
        if (!KeyText.TrySplit(text, Sodium.SecretKeyBytes, out var name, out var bytes))
            error = "name:base64 of 64 bytes is wanted, as 'nix key generate-secret' prints";
        else if (!Sodium.IsWhole(bytes))
            error = "its second half is not the public key of the first, so nothing that it signs could be verified: restore the file, or make a new key with 'nix key generate-secret'";
        else
            key = new SecretKey(name, bytes);
        return key is not null;
    }

    /// <exception cref="FormatException">Not a secret key; the message does not repeat the text.</exception>
    public static SecretKey Parse(string text) => TryParse(text, out var key, out var error) ? key : throw new FormatException($"Not a secret key: {error}.");

    /// <summary>The signature as narinfos carry it: <c>name:base64</c>.</summary>
    public string Sign(string message) => Sign(Encoding.UTF8.GetBytes(message));

    /// <inheritdoc cref="Sign(string)"/>
    public string Sign(ReadOnlySpan<byte> message)
    {
        Span<byte> signature = stackalloc byte[Sodium.SignatureBytes];
        Sodium.Sign(message, _secret, signature);
        return $"{Name}:{Convert.ToBase64String(signature)}";
    }

    /// <summary>The text of the key file. Whoever has it can sign.</summary>
    public string Export() => $"{Name}:{Convert.ToBase64String(_secret)}";

    public override string ToString() => $"{Name} (secret key)";
}

/// <summary>The public half, as <c>trusted-public-keys</c> lists it: <c>name:base64</c> of 32 bytes.</summary>
public sealed class PublicKey : IEquatable<PublicKey>
{
    private readonly byte[] _key;

    internal PublicKey(string name, byte[] key)
    {
        Name = name;
        _key = key;
    }

    public string Name { get; }

    public static bool TryParse(string? text, [NotNullWhen(true)] out PublicKey? key)
    {
        key = KeyText.TrySplit(text, Sodium.PublicKeyBytes, out var name, out var bytes) ? new PublicKey(name, bytes) : null;
        return key is not null;
    }

    /// <exception cref="FormatException">Not a public key.</exception>
    public static PublicKey Parse(string text) => TryParse(text, out var key)
        ? key
        : throw new FormatException($"'{text}' is not a public key: expected name:base64 of 32 bytes.");

    /// <summary>Is this <c>name:base64</c> signature of the message ours and valid? False for anything malformed.</summary>
    public bool Verify(string message, string signature) => Verify(Encoding.UTF8.GetBytes(message), signature);

    /// <inheritdoc cref="Verify(string, string)"/>
    public bool Verify(ReadOnlySpan<byte> message, string signature) =>
        KeyText.TrySplit(signature, Sodium.SignatureBytes, out var name, out var bytes) && name == Name && Sodium.Verify(message, bytes, _key);

    public override string ToString() => $"{Name}:{Convert.ToBase64String(_key)}";

    public bool Equals(PublicKey? other) => other is not null && Name == other.Name && _key.AsSpan().SequenceEqual(other._key);

    public override bool Equals(object? obj) => Equals(obj as PublicKey);

    public override int GetHashCode() => HashCode.Combine(Name, BitConverter.ToInt32(_key));
}

/// <summary>The form that keys and signatures share: <c>name:base64</c>.</summary>
internal static class KeyText
{
    public static bool IsValidName(string? name) => !string.IsNullOrEmpty(name) && !name.Any(c => c == ':' || char.IsWhiteSpace(c) || char.IsControl(c) || char.IsSurrogate(c));

    public static bool TrySplit(string? text, int byteCount, [NotNullWhen(true)] out string? name, [NotNullWhen(true)] out byte[]? bytes)
    {
        (name, bytes) = (null, null);
        text = text?.Trim();
        var colon = text?.IndexOf(':') ?? -1;
        if (colon <= 0 || !IsValidName(text![..colon]))
            return false;
        var decoded = new byte[byteCount];
        // One longer than the text of a right key would not fit, and TryFromBase64Chars then says so.
        if (!Convert.TryFromBase64String(text[(colon + 1)..], decoded, out var written) || written != byteCount)
            return false;
        (name, bytes) = (text[..colon], decoded);
        return true;
    }
}
