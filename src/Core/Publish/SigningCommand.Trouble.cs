using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Publish;

/// <summary>Whether the program signs. One that has signed lately does; else it is asked to.</summary>
public sealed partial class SigningCommand
{
    private const string Silent = "The program that signs for this cache does not do so now; the server's log says why.";

    // The fingerprint of a path that says nothing: an empty file, under a hash that no derivation has.
    private const string Probe = "1;/nix/store/00000000000000000000000000000000-orleans-cache-asks-for-a-signature;" +
        "sha256:0ip26j2h11n1kgkz36rl4akv694yz65hr72q4kv4b3lxcbi65b3p;112;";

    private static readonly TimeSpan Lately = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan ProbePatience = TimeSpan.FromSeconds(1);

    private readonly Lock _probing = new();
    private Task _probe = Task.CompletedTask; // Under _probing.
    private long? _signed; // When something was signed last; under _probing.
    private volatile string? _trouble; // Of the last request; null: it was signed.

    /// <summary>Why pushes would fail now, in a sentence without its words; null: it signs. A slow answer is the next call's.</summary>
    public async Task<string?> FindTroubleAsync(CancellationToken cancellationToken)
    {
        Task probe;
        lock (_probing)
        {
            var isKnown = _trouble is null && _run is { HasEnded: false } && _signed is { } at && _time.GetElapsedTime(at) < Lately;
            probe = isKnown || !_probe.IsCompleted ? _probe : _probe = Task.Run(ProbeAsync, CancellationToken.None);
        }

        await Task.WhenAny(probe, Task.Delay(ProbePatience, _time, cancellationToken));
        return _trouble is null ? null : Silent;
    }

    private async Task ProbeAsync()
    {
        try
        {
            await SignAsync([Probe], CancellationToken.None);
        }
        catch (Exception e) when (e is CacheProblemException or ObjectDisposedException)
        {
            // The trouble is noted; or the server stops.
        }
    }

    private void NoteSigned()
    {
        lock (_probing)
            _signed = _time.GetTimestamp();
        if (_trouble is null)
            return;
        _trouble = null;
        LogSigns(_logger, _command);
    }

    // Told once: each request that waits for it has a line of its own.
    private void NoteTrouble(string trouble)
    {
        if (_trouble == trouble)
            return;
        _trouble = trouble;
        LogFailed(_logger, _command, trouble);
    }

    [LoggerMessage(LogLevel.Information, "the signing command '{Command}' signs again")]
    private static partial void LogSigns(ILogger logger, string command);

    [LoggerMessage(LogLevel.Error, "the signing command '{Command}' {What}, so pushes are answered 503: mend the program, or what it " +
        "needs; it is asked again with each push, and started again when it has ended")]
    private static partial void LogFailed(ILogger logger, string command, string what);
}
