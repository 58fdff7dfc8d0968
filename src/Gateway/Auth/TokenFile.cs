using System.Security.Cryptography;
using System.Text;
using OrleansCache.Gateway.Hosting;

namespace OrleansCache.Gateway.Auth;

/// <summary>
/// Tokens of a file, one a line, each allowing everything; empty lines and lines that begin with <c>#</c> are skipped. Two tokens at a time
/// let clients move from one to the next.
/// </summary>
public sealed class TokenFile : ICredentials
{
    private readonly byte[][] _digests;
    private readonly bool _privateReads;

    public TokenFile(IEnumerable<string> tokens, bool privateReads)
    {
        _digests = [.. tokens.Select(Digest)];
        _privateReads = privateReads;
    }

    /// <exception cref="StartupException">It cannot be read or holds no token.</exception>
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
        return tokens.Count > 0
            ? new TokenFile(tokens, privateReads)
            : throw new StartupException($"The token file {path} holds no token: write one on a line of its own, for example from 'openssl rand -hex 32'.");
    }

    public bool Allows(string? secret, Access access) => access switch
    {
        Access.Open or Access.SignedUrl => true,
        Access.Read when !_privateReads => true,
        _ => secret is not null && IsKnown(secret),
    };

    // Digests have one length and all are compared, so the time tells nothing about the tokens.
    private bool IsKnown(string secret)
    {
        var digest = Digest(secret);
        var known = false;
        foreach (var candidate in _digests)
            known |= CryptographicOperations.FixedTimeEquals(candidate, digest);
        return known;
    }

    private static byte[] Digest(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));
}
