using System.Runtime.InteropServices;

namespace OrleansCache.Gateway.Operations;

/// <summary>
/// How the server ends. At SIGTERM it reports that it is not ready, serves on for the delay, so that clients notice, and then stops: it
/// accepts no new connection, finishes what is under way and closes idle connections. A second signal, or Ctrl-C, ends the delay.
/// </summary>
/// <param name="delay">How long it serves on.</param>
/// <param name="lifetime">Stops the server.</param>
/// <param name="systemd">Is told when draining begins; null for none.</param>
/// <param name="time">Measures the delay.</param>
internal sealed class Drain(TimeSpan delay, IHostApplicationLifetime lifetime, SystemdNotify? systemd, TimeProvider time)
    : IHostLifetime, IDisposable
{
    private readonly List<PosixSignalRegistration> _signals = [];
    private int _begun;

    /// <summary>True from the signal on.</summary>
    public bool HasBegun => Volatile.Read(ref _begun) > 0 || lifetime.ApplicationStopping.IsCancellationRequested;

    public Task WaitForStartAsync(CancellationToken cancellationToken)
    {
        _signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => Begin(signal, delay)));
        _signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => Begin(signal, TimeSpan.Zero)));
        _signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGQUIT, signal => Begin(signal, TimeSpan.Zero)));
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose()
    {
        foreach (var signal in _signals)
            signal.Dispose();
    }

    private void Begin(PosixSignalContext signal, TimeSpan serveOn)
    {
        signal.Cancel = true;
        if (Interlocked.Increment(ref _begun) > 1 || serveOn <= TimeSpan.Zero)
        {
            systemd?.Stopping("Finishing what is under way");
            lifetime.StopApplication();
            return;
        }

        systemd?.Stopping("Not ready any more; takes requests until everybody has noticed");
        _ = Task.Delay(serveOn, time).ContinueWith(_ => lifetime.StopApplication(), TaskScheduler.Default);
    }
}
