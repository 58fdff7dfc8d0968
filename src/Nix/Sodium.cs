using System.Runtime.InteropServices;

namespace OrleansCache.Nix;

/// <summary>The Ed25519 functions of libsodium, the library that Nix itself signs with.</summary>
internal static partial class Sodium
{
    public const int PublicKeyBytes = 32;
    public const int SecretKeyBytes = 64;
    public const int SignatureBytes = 64;
    private const int SeedBytes = 32;

    private const string Library = "libsodium.so.23";

    static Sodium()
    {
        if (Init() < 0)
            throw new InvalidOperationException("libsodium could not be initialised (sodium_init failed).");
    }

    public static void KeyPair(Span<byte> publicKey, Span<byte> secretKey)
    {
        Require(publicKey.Length == PublicKeyBytes && secretKey.Length == SecretKeyBytes);
        _ = CryptoSignKeyPair(publicKey, secretKey);
    }

    public static void PublicOf(ReadOnlySpan<byte> secretKey, Span<byte> publicKey)
    {
        Require(publicKey.Length == PublicKeyBytes && secretKey.Length == SecretKeyBytes);
        _ = CryptoSignSecretToPublic(publicKey, secretKey);
    }

    /// <summary>Is the second half of a secret key the public key that belongs to its first, the seed?</summary>
    public static bool IsWhole(ReadOnlySpan<byte> secretKey)
    {
        Require(secretKey.Length == SecretKeyBytes);
        Span<byte> publicKey = stackalloc byte[PublicKeyBytes];
        Span<byte> again = stackalloc byte[SecretKeyBytes];
        _ = CryptoSignSeedKeyPair(publicKey, again, secretKey[..SeedBytes]);
        return publicKey.SequenceEqual(secretKey[SeedBytes..]);
    }

    public static void Sign(ReadOnlySpan<byte> message, ReadOnlySpan<byte> secretKey, Span<byte> signature)
    {
        Require(signature.Length == SignatureBytes && secretKey.Length == SecretKeyBytes);
        _ = CryptoSignDetached(signature, 0, message, (ulong)message.Length, secretKey);
    }

    public static bool Verify(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature, ReadOnlySpan<byte> publicKey)
    {
        Require(signature.Length == SignatureBytes && publicKey.Length == PublicKeyBytes);
        return CryptoSignVerifyDetached(signature, message, (ulong)message.Length, publicKey) == 0;
    }

    // The library trusts the lengths; a wrong one must never reach it.
    private static void Require(bool lengthsFit)
    {
        if (!lengthsFit)
            throw new ArgumentException("A key or signature has the wrong length.");
    }

    [LibraryImport(Library, EntryPoint = "sodium_init")]
    private static partial int Init();

    [LibraryImport(Library, EntryPoint = "crypto_sign_keypair")]
    private static partial int CryptoSignKeyPair(Span<byte> publicKey, Span<byte> secretKey);

    [LibraryImport(Library, EntryPoint = "crypto_sign_seed_keypair")]
    private static partial int CryptoSignSeedKeyPair(Span<byte> publicKey, Span<byte> secretKey, ReadOnlySpan<byte> seed);

    [LibraryImport(Library, EntryPoint = "crypto_sign_ed25519_sk_to_pk")]
    private static partial int CryptoSignSecretToPublic(Span<byte> publicKey, ReadOnlySpan<byte> secretKey);

    [LibraryImport(Library, EntryPoint = "crypto_sign_detached")]
    private static partial int CryptoSignDetached(Span<byte> signature, nint lengthOut, ReadOnlySpan<byte> message, ulong length, ReadOnlySpan<byte> secretKey);

    [LibraryImport(Library, EntryPoint = "crypto_sign_verify_detached")]
    private static partial int CryptoSignVerifyDetached(ReadOnlySpan<byte> signature, ReadOnlySpan<byte> message, ulong length, ReadOnlySpan<byte> publicKey);
}
