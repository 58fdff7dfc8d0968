using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Auth;

/// <summary>
/// Tokens of a file, one a line, each allowing everything; empty lines and lines that begin with <c>#</c> are skipped. Two tokens at a time
/// let clients move from one to the next.
/// </summary>
public sealed class TokenFile : ICredentials
{
    private const int ShortestToken = 20;

    private readonly (byte[] Digest, Credential Credential)[] _tokens;
    private readonly Credential _anonymous;

    public TokenFile(IEnumerable<string> tokens, bool privateReads)
    {
        // Each token of the file allows everything, so all are one trust group, and a client can move from one to the next.
        _tokens = [.. tokens.Select(Digest).Select(digest =>
            (digest, new Credential($"file:{Convert.ToHexStringLower(digest.AsSpan(0, 8))}", Scopes.All)
            {
                Group = Caller.TokenFileGroup
            }))];
        _anonymous = Credential.Anonymous(privateReads);
    }

    /// <exception cref="StartupException">It cannot be read, holds no token, or one that could be guessed.</exception>
    public static TokenFile Read(string path, bool privateReads)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartupException($"The token file {path} cannot be read: {e.Message}", e);
        }

        var tokens = lines.Select(l => l.Trim()).Where(l => l.Length > 0 && l[0] != '#').ToList();
        if (tokens.Find(t => t.Length < ShortestToken) is { } shortest)
            throw new StartupException(
                $"The token file {path} holds a token of {shortest.Length} characters, and one of fewer than {ShortestToken} can be " +
                "guessed: write a longer one, for example from 'openssl rand -hex 32'.");
        return tokens.Count > 0
            ? new TokenFile(tokens, privateReads)
            : throw new StartupException(
                $"The token file {path} holds no token: write one on a line of its own, for example from 'openssl rand -hex 32'.");
    }

    public ValueTask<Credential?> FindAsync(string? secret, CacheName cache, CancellationToken cancellationToken) =>
        ValueTask.FromResult(secret is null ? _anonymous : Find(Digest(secret)));

    public bool IsKnown(string secret) => Find(Digest(secret)) is not null;

    // Digests have one length and all are compared, so the time tells nothing about the tokens.
    private Credential? Find(byte[] digest)
    {
        Credential? found = null;
        foreach (var (known, credential) in _tokens)
        {
            if (CryptographicOperations.FixedTimeEquals(known, digest))
                found = credential;
        }

        return found;
    }

    private static byte[] Digest(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));
}
