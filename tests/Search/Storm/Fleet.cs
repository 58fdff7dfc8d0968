using OrleansCache.Testing;

namespace OrleansCache.Storm;

/// <summary>One gateway process, and whether the balancer sends requests to it.</summary>
internal sealed class Gateway(int number, ServerProcess process) : IDisposable
{
    private CancellationTokenSource _serving = new();
    private int _busy;

    public int Number => number;

    public ServerProcess Process => process;

    public Uri Url => process.Url;

    /// <summary>Written by the health check alone.</summary>
    public bool IsHealthy { get; private set; }

    /// <summary>Cancelled when the health check finds that it does not serve.</summary>
    public CancellationToken Serving => Volatile.Read(ref _serving).Token;

    /// <summary>It is down, stands still, or is being started.</summary>
    public bool IsBusy => Volatile.Read(ref _busy) != 0;

    /// <summary>False: somebody else inflicts something on it.</summary>
    public bool TryTake() => Interlocked.Exchange(ref _busy, 1) == 0;

    public void Release() => Volatile.Write(ref _busy, 0);

    public void Found(bool healthy)
    {
        if (IsHealthy == healthy)
            return;
        if (healthy)
            Volatile.Write(ref _serving, new CancellationTokenSource());
        IsHealthy = healthy;
        // Not disposed: requests may be about to link to it.
        if (!healthy)
            _serving.Cancel();
    }

    public void Dispose() => _serving.Dispose();
}

/// <summary>All gateways, on one catalog and one bucket, and their health check.</summary>
internal sealed class Fleet : IAsyncDisposable
{
    private static readonly TimeSpan HealthPause = TimeSpan.FromMilliseconds(300);
    // Shorter than every stop; long enough for a machine that is overloaded.
    private static readonly TimeSpan HealthTimeout = TimeSpan.FromSeconds(4);

    private readonly List<Gateway> _gateways = [];
    private readonly HttpClient _http = new() { Timeout = HealthTimeout };
    private readonly CancellationTokenSource _ended = new();
    private Task _checks = Task.CompletedTask;

    public IReadOnlyList<Gateway> Gateways => _gateways;

    public string TokenFile => _gateways[0].Process.TokenFile;

    public string PublicKey => _gateways[0].Process.PublicKey;

    /// <param name="count">Of gateways.</param>
    /// <param name="silos">They are members of a cluster.</param>
    /// <param name="from">The folder of another build's programs, with which they begin; null: they are ours.</param>
    /// <param name="options">More options.</param>
    public static async Task<Fleet> StartAsync(int count, bool silos, string? from, string[] options)
    {
        Task<ServerProcess> start(string[] given) =>
            ServerProcess.StartAsync(from is null ? Ours(silos) : ServerKind.Of(from, silos), given);
        var fleet = new Fleet();
        try
        {
            var first = await start(options);
            fleet._gateways.Add(new Gateway(1, first));
            var others = await Task.WhenAll(Enumerable.Range(2, count - 1).Select(async number =>
                new Gateway(number, await start([.. options, .. first.IdentityOptions]))));
            fleet._gateways.AddRange(others);
            fleet._checks = Task.WhenAll(fleet._gateways.Select(fleet.CheckAsync));
            await Eventually.BecomesTrueAsync(() => fleet._gateways.TrueForAll(gateway => gateway.IsHealthy));
            return fleet;
        }
        catch
        {
            await fleet.DisposeAsync();
            throw;
        }
    }

    private static ServerKind Ours(bool silos) => silos ? ServerKind.Member : ServerKind.Gateway;

    /// <summary>
    /// A rolling upgrade to our programs: one after the other is told to stop and replaced. Who is killed from now on comes back as ours,
    /// too: <paramref name="migrate"/> brings the database to a schema that the others do not know.
    /// </summary>
    public async Task RollAsync(bool silos, string[] options, Func<Task> migrate, StormReport tally)
    {
        foreach (var gateway in _gateways)
            gateway.Process.Become(Ours(silos), [.. options, .. gateway == _gateways[0] ? [] : _gateways[0].Process.IdentityOptions]);
        await migrate();
        foreach (var gateway in _gateways)
        {
            await Eventually.BecomesTrueAsync(gateway.TryTake, TimeSpan.FromMinutes(3));
            tally.Event($"gateway {gateway.Number} is replaced");
            await gateway.Process.StopAsync();
            await gateway.Process.RestartAsync();
            tally.Event($"gateway {gateway.Number} runs our program");
            tally.Count("replaced");
            gateway.Release();
        }
    }

    /// <summary>Writes the logs of all processes that there have been.</summary>
    public void SaveLogs(string folder)
    {
        foreach (var gateway in _gateways)
            File.WriteAllText(Path.Combine(folder, $"gateway-{gateway.Number}.log"), gateway.Process.AllLogs);
    }

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        await _checks;
        await Task.WhenAll(_gateways.Select(gateway => gateway.Process.DisposeAsync().AsTask()));
        foreach (var gateway in _gateways)
            gateway.Dispose();
        _http.Dispose();
        _ended.Dispose();
    }

    private async Task CheckAsync(Gateway gateway)
    {
        try
        {
            while (true)
            {
                gateway.Found(await AnswersAsync(gateway));
                await Task.Delay(HealthPause, _ended.Token);
            }
        }
        catch (OperationCanceledException) when (_ended.IsCancellationRequested)
        {
            // The end.
        }
    }

    private async Task<bool> AnswersAsync(Gateway gateway)
    {
        try
        {
            using var answer = await _http.GetAsync(new Uri(gateway.Url, "/livez"), _ended.Token);
            return answer.IsSuccessStatusCode;
        }
        catch (Exception e) when (!_ended.IsCancellationRequested && e is HttpRequestException or OperationCanceledException or IOException)
        {
            return false;
        }
    }
}
