using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Nix;

namespace OrleansCache.Core.Publish;

/// <summary>
/// A key whose secret another program has. The program runs beside this process, says whose key it has in its first line, and answers lines
/// of fingerprints with lines of signatures, in any order; docs/server.md has their form. It is started again when it has ended.
/// </summary>
public sealed partial class SigningCommand : IAsyncDisposable
{
    // A fingerprint of a path with many references has a megabyte. Few at once, so that a slow program has a turn for everybody.
    private const int MaxChars = 1 << 19;
    private const int MaxFingerprints = 100;
    private const int BatchesAtOnce = 2;
    private const int MaxShown = 500;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly string _command;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _starting = new(1);
    private volatile Run? _run;
    private (long At, string Trouble)? _failed; // The last start; under _starting.

    private SigningCommand(string command, ILogger logger, TimeProvider time) => (_command, _logger, _time) = (command, logger, time);

    public PublicKey PublicKey { get; private set; } = null!;

    /// <param name="command">For the shell.</param>
    /// <param name="logger">Gets what the program writes to its standard error.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Stops the start.</param>
    /// <exception cref="StartupException">It does not name a key within ten seconds.</exception>
    public static async Task<SigningCommand> StartAsync(string command, ILogger logger, TimeProvider time,
        CancellationToken cancellationToken)
    {
        var signer = new SigningCommand(command, logger, time);
        try
        {
            await signer.FindRunAsync(cancellationToken);
            return signer;
        }
        catch (SigningException e)
        {
            await signer.DisposeAsync();
            throw new StartupException($"The signing command '{command}' {e.Message}.", e);
        }
    }

    /// <summary>A signature of each fingerprint, verified.</summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.Unavailable"/>: the program does not sign. The log says why, as the
    /// command and its words are not for clients.</exception>
    public async Task<IReadOnlyList<string>> SignAsync(IReadOnlyList<string> fingerprints, CancellationToken cancellationToken)
    {
        try
        {
            var run = await FindRunAsync(cancellationToken);
            var batches = Batches(fingerprints).ToList();
            var answers = new string[batches.Count][];
            await Parallel.ForAsync(0, batches.Count,
                new ParallelOptions { MaxDegreeOfParallelism = BatchesAtOnce, CancellationToken = cancellationToken },
                async (i, stop) => answers[i] = await run.AskAsync(batches[i], stop));
            var signatures = answers.SelectMany(a => a).ToList();
            Verify(fingerprints, signatures);
            NoteSigned();
            return signatures;
        }
        catch (SigningException e)
        {
            NoteTrouble(e.Message);
            throw new CacheProblemException(ProblemKind.Unavailable, $"{Silent} Send the same request again.");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_run is { } run)
            await run.StopAsync(StopPatience);
        _starting.Dispose();
    }

    private static IEnumerable<string[]> Batches(IReadOnlyList<string> fingerprints)
    {
        var (batch, chars) = (new List<string>(), 0);
        foreach (var fingerprint in fingerprints)
        {
            if (batch.Count > 0 && (batch.Count == MaxFingerprints || chars + fingerprint.Length > MaxChars))
            {
                yield return [.. batch];
                batch.Clear();
                chars = 0;
            }

            batch.Add(fingerprint);
            chars += fingerprint.Length;
        }

        if (batch.Count > 0)
            yield return [.. batch];
    }

    // What is wrong here would be published.
    private void Verify(IReadOnlyList<string> fingerprints, List<string> signatures)
    {
        var wrong = -1;
        Parallel.For(0, signatures.Count, (i, all) =>
        {
            if (PublicKey.Verify(fingerprints[i], signatures[i]))
                return;
            Volatile.Write(ref wrong, i);
            all.Stop();
        });
        if (wrong >= 0)
            throw new SigningException($"answered a signature that is not valid for {Shown(fingerprints[wrong])}");
    }

    private async Task<Run> FindRunAsync(CancellationToken cancellationToken)
    {
        if (_run is { HasEnded: false } known)
            return known;
        await _starting.WaitAsync(cancellationToken);
        try
        {
            if (_run is { HasEnded: false } present)
                return present;
            // Those who waited meanwhile do not each try again.
            if (_failed is { } failed && _time.GetElapsedTime(failed.At) < Pause)
                throw new SigningException(failed.Trouble);
            if (_run is not null)
                LogAgain(_logger, _command);
            try
            {
                // Not by the token of the request that happens to be first.
                _run = await StartAsync();
                _failed = null;
                return _run;
            }
            catch (SigningException e)
            {
                _failed = (_time.GetTimestamp(), e.Message);
                throw;
            }
        }
        finally
        {
            _starting.Release();
        }
    }

    private async Task<Run> StartAsync()
    {
        Process process;
        try
        {
            process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", _command])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
        }
        catch (Win32Exception e)
        {
            throw new SigningException($"cannot be run: {e.Message}");
        }

        var run = new Run(this, process);
        using var limit = new CancellationTokenSource(StartPatience);
        try
        {
            var hello = await process.StandardOutput.ReadLineAsync(limit.Token);
            var text = hello is null ? null : Read(hello)?.PublicKey;
            if (!PublicKey.TryParse(text, out var key))
                throw new SigningException(hello is null ? "ended before it named its key" : "has to name its key in its first line, as " +
                    $"{{\"publicKey\":\"name:base64\"}}, and wrote {Shown(hello)}");
            if (PublicKey is { } former && !former.Equals(key))
                throw new SigningException($"names another key than before, {key}");
            PublicKey = key;
            run.Listen();
            return run;
        }
        catch (Exception e)
        {
            run.Kill();
            throw e is OperationCanceledException
                ? new SigningException($"did not name its key within {StartPatience.TotalSeconds:0} s") : e;
        }
    }

    private async Task TellErrorsAsync(Process process)
    {
        try
        {
            while (await process.StandardError.ReadLineAsync() is { } line)
                LogSays(_logger, Shown(line));
        }
        catch (IOException)
        {
            // It has ended.
        }
    }

    private static Answer? Read(string line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, SigningJson.Default.Answer);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Shown(string text) => "'" + new string([.. text.Take(MaxShown).Where(c => !char.IsControl(c))])
        + (text.Length > MaxShown ? "…'" : "'");

    [LoggerMessage(LogLevel.Warning, "the signing command '{Command}' has ended and is started again")]
    private static partial void LogAgain(ILogger logger, string command);

    [LoggerMessage(LogLevel.Warning, "the signing command says: {Text}")]
    private static partial void LogSays(ILogger logger, string text);

    /// <summary>What the program did, without its name: "has ended".</summary>
    private sealed class SigningException(string what) : Exception(what);
}
