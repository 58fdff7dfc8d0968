using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;

namespace OrleansCache.Cli.Tokens;

/// <summary>
/// A token that is read again: a minute before it expires, if it says when, and once when the server has refused it. A push outlives its
/// first token so.
/// </summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001",
    Justification = "A SemaphoreSlim without a wait handle has nothing to release.")]
internal abstract class RenewableToken(TimeProvider time) : TokenSource
{
    /// <summary>Longer than any token.</summary>
    public const int MaxLength = 16 << 10;

    private static readonly TimeSpan Early = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _one = new(1);
    private volatile Held? _held;
    private string? _refused; // Under _one.

    public sealed override async ValueTask<string?> GetAsync(CancellationToken cancellationToken)
    {
        if (_held is { } held && time.GetUtcNow() < held.RenewAt)
            return held.Token;
        // While one renews the token the others go on with the present one.
        if (!_one.Wait(TimeSpan.Zero, cancellationToken))
        {
            if (_held is { } old && old.End > time.GetUtcNow())
                return old.Token;
            await _one.WaitAsync(cancellationToken);
        }

        try
        {
            if (_held is not { } present)
                return (await HoldAsync(cancellationToken)).Token;
            return (time.GetUtcNow() < present.RenewAt ? present : await RenewOrKeepAsync(present, cancellationToken)).Token;
        }
        finally
        {
            _one.Release();
        }
    }

    public sealed override async ValueTask<bool> RenewAsync(string refused, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            // Many requests are refused at once: the first of them renews the token for all.
            if (_held is { } held && held.Token != refused)
                return true;
            if (_refused == refused)
                return false;
            _refused = refused;
            return (await HoldAsync(cancellationToken)).Token != refused;
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>Reads, asks for or makes the token.</summary>
    /// <exception cref="CliException">It cannot be had; the message says why and what to do.</exception>
    protected abstract Task<string> LoadAsync(CancellationToken cancellationToken);

    /// <summary>
    /// The token in a text, checked: it travels in a header, and text that cannot stand there must not be printed either.
    /// </summary>
    /// <param name="text">The text, which may end with a line break.</param>
    /// <param name="from">Where it comes from, to begin a sentence.</param>
    /// <exception cref="CliException">The text is no token.</exception>
    internal static string Check(string text, string from)
    {
        var token = text.Trim();
        if (token.Length == 0)
            throw new CliException(ExitCodes.Usage, $"{from} is empty: a token is wanted.");
        if (token.Length > MaxLength)
            throw new CliException(ExitCodes.Usage, $"{from} has more than {MaxLength >> 10} KiB: a token alone is wanted.");
        return token.All(c => c is > ' ' and < '\x7f') ? token
            : throw new CliException(ExitCodes.Usage, $"{from} has more than one line or characters that no token has.");
    }

    // Whatever keeps a source from giving another token, the present one is used until its end, and the source asked again soon. One that
    // hangs gets half of the time that is left, so that those who wait for it still have a token.
    private async Task<Held> RenewOrKeepAsync(Held present, CancellationToken cancellationToken)
    {
        var end = present.End ?? DateTimeOffset.MinValue;
        var left = end - time.GetUtcNow();
        if (left <= TimeSpan.Zero)
            return await HoldAsync(cancellationToken);
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(left / 2);
        try
        {
            return await HoldAsync(timeout.Token);
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            var next = time.GetUtcNow() + Pause;
            return _held = present with { RenewAt = next < end ? next : end };
        }
    }

    private async Task<Held> HoldAsync(CancellationToken cancellationToken)
    {
        var token = await LoadAsync(cancellationToken);
        var now = time.GetUtcNow();
        if (JwtExpiry.Of(token) is not { } end)
            return _held = new Held(token, null, DateTimeOffset.MaxValue);
        var left = end - now;
        // One that lives for moments only is not fetched for each request.
        var renewAt = left > Early * 2 ? end - Early : now + (left / 2 > Pause ? left / 2 : Pause);
        return _held = new Held(token, end, renewAt);
    }

    private sealed record Held(string Token, DateTimeOffset? End, DateTimeOffset RenewAt);
}
