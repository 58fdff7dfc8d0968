namespace OrleansCache.Cli.Http;

/// <summary>Gives the token of each request, a new one when the former is about to expire.</summary>
internal abstract class TokenSource
{
    /// <summary>No token.</summary>
    public static TokenSource None { get; } = new Fixed(null);

    /// <summary>Where the token comes from, as a clause: <c>the file /run/token</c>.</summary>
    public abstract string Name { get; }

    /// <summary>The token, for one request; null when there is none.</summary>
    /// <exception cref="Common.CliException">It cannot be had.</exception>
    public abstract ValueTask<string?> GetAsync(CancellationToken cancellationToken);

    /// <summary>Looks for another token, as the server has refused this one.</summary>
    /// <returns>False: there is no other.</returns>
    public virtual ValueTask<bool> RenewAsync(string refused, CancellationToken cancellationToken) => ValueTask.FromResult(false);

    /// <summary>A token that never changes.</summary>
    public static TokenSource Of(string? token) => token is null ? None : new Fixed(token);

    private sealed class Fixed(string? token) : TokenSource
    {
        public override string Name => token is null ? "nowhere" : "the program";

        public override ValueTask<string?> GetAsync(CancellationToken cancellationToken) => ValueTask.FromResult(token);
    }
}
