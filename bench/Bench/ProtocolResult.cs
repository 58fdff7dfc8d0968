namespace OrleansCache.Bench;

/// <summary>Several pushes of one kind by one client, and the counts of another one.</summary>
/// <param name="Written">Objects that the first one added to the store.</param>
internal sealed record ProtocolPushes(IReadOnlyList<MeasuredPush> Runs, Counts Counts, int Written)
{
    public double MedianOf(Func<MeasuredPush, double> value) => Stats.Median(Runs.Select(value));
}

/// <summary>One set's pushes, cold and warm, by each client; the first is our own.</summary>
internal sealed record ProtocolResult(ClosureSet Set, IReadOnlyList<(string Client, ProtocolPushes Cold, ProtocolPushes Warm)> Clients)
{
    /// <summary>The clients take turns, run after run, so that a change of the machine's mood meets all of them.</summary>
    public static async Task<ProtocolResult> MeasureAsync(Lab lab, ClosureSet set, IReadOnlyList<PushClient> clients)
    {
        var runs = clients.ToDictionary(client => client, _ => new List<(MeasuredPush Cold, MeasuredPush Warm)>());
        for (var run = 0; run < lab.Options.Runs; run++)
        {
            Console.Error.WriteLine($"{set.Name}: run {run + 1} of {lab.Options.Runs}");
            foreach (var client in clients)
                runs[client].Add(await RunAsync(lab, set, client));
        }

        var results = new List<(string, ProtocolPushes, ProtocolPushes)>();
        foreach (var (client, pushes) in runs)
        {
            var (cold, warm) = await CountAsync(lab, set, client);
            results.Add((
                client.Name,
                new ProtocolPushes([.. pushes.Select(p => p.Cold)], cold, pushes[0].Cold.Objects),
                new ProtocolPushes([.. pushes.Select(p => p.Warm)], warm, pushes[0].Warm.Objects - pushes[0].Cold.Objects)));
        }

        return new ProtocolResult(set, results);
    }

    private static async Task<(MeasuredPush Cold, MeasuredPush Warm)> RunAsync(Lab lab, ClosureSet set, PushClient client)
    {
        await using var server = await lab.StartServerAsync();
        var cold = await PushAsync();
        return (cold, await PushAsync());

        async Task<MeasuredPush> PushAsync()
        {
            var push = await MeasuredPush.MeasureAsync(lab, server, () => client.PushAsync(server, server.Url, set.Root));
            await CheckAsync(server, set, client);
            return push;
        }
    }

    private static async Task<(Counts Cold, Counts Warm)> CountAsync(Lab lab, ClosureSet set, PushClient client)
    {
        Console.Error.WriteLine($"{set.Name}: counting requests and statements of {client.Name}");
        using var relay = new Relay();
        await using var server = await lab.StartServerAsync(relay);
        var counts = await Counts.OfColdAndWarmAsync(server, relay, () => client.PushAsync(server, relay.Url, set.Root));
        await CheckAsync(server, set, client);
        return counts;
    }

    // Whatever the protocol, the server publishes a root's narinfo when all of its closure is there.
    private static async Task CheckAsync(CacheServer server, ClosureSet set, PushClient client)
    {
        using var http = new HttpClient();
        using var answer = await http.GetAsync(new Uri($"{server.Url}/{Path.GetFileName(set.Root)[..32]}.narinfo"));
        if (!answer.IsSuccessStatusCode || !(await answer.Content.ReadAsStringAsync()).Contains($"StorePath: {set.Root}\n", StringComparison.Ordinal))
            throw new BenchException($"{client.Name} ended with 0, but the server does not have {set.Root} ({(int)answer.StatusCode}).");
    }
}
