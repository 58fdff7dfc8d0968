using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Storm;

/// <summary>
/// One push from begin to commit, with NARs that are at hand; what it is told on the way is checked. When the server says that the push
/// cannot go on, it begins again.
/// </summary>
internal sealed class PushClient(Api api, HttpClient store, RetryPolicy retry, Promises promises, Attempts attempts, Overheard overheard,
    StormReport tally)
{
    /// <inheritdoc cref="Attempts.UntilItEndsAsync"/>
    public Task<PushEnd?> PushAsync(SimulatedClosure cargo, PushPin? pin, bool mayGiveUp, Random random, CancellationToken stopped) =>
        attempts.UntilItEndsAsync(
        "v1",
        cargo.Root,
        async (story, cancellationToken) =>
        {
            try
            {
                return await OnceAsync(cargo, cargo.Begin with { Pin = pin }, mayGiveUp ? random.Next(100) : int.MaxValue, random,
                    story, cancellationToken);
            }
            catch (CacheException e) when (e.BeginAgain)
            {
                throw new BeginAgainException(e.Name ?? "lost", e.Message);
            }
        },
        stopped);

    private async Task<PushEnd> OnceAsync(SimulatedClosure cargo, BeginPush begin, int fate, Random random, List<string> story,
        CancellationToken cancellationToken)
    {
        var key = Guid.NewGuid().ToString("n");
        var opened = await api.BeginAsync(begin, key, cancellationToken);
        overheard.Note(new Leak(opened.Id, cargo, key, [.. opened.Uploads.Select(grant => grant.Id)],
            new Dictionary<Sha256Hash, string>())
        {
            Uploads = opened.Uploads
        });
        story.Add($"{DateTime.UtcNow:HH:mm:ss.fff} push {opened.Id}: {opened.Present} present, {opened.Missing.Count} missing");
        // A hundredth of the clients ends its push, a few die; what they have uploaded belongs to its paths.
        if (fate < 1)
            return await GiveUpAsync(opened.Id, cancellationToken);
        await UploadAsync(cargo, opened, story, cancellationToken);
        if (fate < 2)
            return await GiveUpAsync(opened.Id, cancellationToken);
        if (random.Next(300) == 0 && fate < 100)
            return PushEnd.GivenUp;
        var missing = opened.Missing.Select(path => path.Path).ToHashSet();
        await promises.CheckPresentAsync($"push {opened.Id}", cargo.Builds.Keys.Where(path => !missing.Contains(path)), random,
            cancellationToken);
        if (random.Next(20) == 0 && await api.RenewAsync(opened.Id, cancellationToken) is { Lost.Count: > 0 } renewed)
            tally.Violation($"push {opened.Id} had not lapsed, and lost {string.Join(", ", renewed.Lost)} that it was promised");

        var clock = Stopwatch.StartNew();
        story.Add($"{DateTime.UtcNow:HH:mm:ss.fff} push {opened.Id}: commit");
        var answer = await api.CommitAsync(opened.Id, null, cancellationToken);
        story.Add($"{DateTime.UtcNow:HH:mm:ss.fff} push {opened.Id}: committed");
        tally.Count("paths published", answer.Published);
        await promises.CheckCommittedAsync($"push {opened.Id}", cargo.Root, clock, random, cancellationToken);
        return PushEnd.Committed;
    }

    private async Task<PushEnd> GiveUpAsync(string push, CancellationToken cancellationToken)
    {
        tally.Count("given up");
        await retry.RunAsync("abort", async c =>
        {
            await api.AbortAsync(push, c);
            return true;
        }, cancellationToken);
        return PushEnd.GivenUp;
    }

    private async Task UploadAsync(SimulatedClosure cargo, PushOpened opened, List<string> story, CancellationToken cancellationToken)
    {
        var (paths, grants) = (opened.Missing, opened.Uploads);
        while (paths.Count > 0)
        {
            var byId = grants.ToDictionary(grant => grant.Id);
            var waiting = paths.Where(path => path.State == PathState.Wait).Select(path => path.Path).ToList();
            var sent = new List<UploadedNar>();
            var ofUpload = new Dictionary<string, List<StorePathHash>>();
            foreach (var sharing in paths.Where(path => path.State == PathState.Upload).GroupBy(path => path.Upload!))
            {
                List<StorePathHash> named = [.. sharing.Select(path => path.Path)];
                var build = cargo.Builds[named[0]];
                if (!await PutAsync(opened.Id, byId[sharing.Key], build.File, cancellationToken))
                {
                    waiting.AddRange(named);
                    continue;
                }

                ofUpload[sharing.Key] = named;
                sent.Add(new UploadedNar
                {
                    Upload = sharing.Key,
                    FileHash = build.FileHash,
                    FileSize = build.File.Length,
                    Md5 = [build.Md5]
                });
            }

            var listings = paths.Where(path => path.State == PathState.Stored).Select(path => path.Path)
                .Concat(ofUpload.Values.SelectMany(named => named))
                .Select(path => new PathListing { Path = path, Content = cargo.Builds[path].Listing }).ToList();
            if (sent.Count + listings.Count > 0)
            {
                var report = await api.ReportAsync(opened.Id, new UploadReport { Uploads = sent, Listings = listings }, cancellationToken);
                foreach (var rejected in report.Rejected)
                {
                    tally.Count($"uploads rejected: {rejected.Reason}");
                    tally.Event($"push {opened.Id}: upload {rejected.Upload} rejected: {rejected.Reason}, {rejected.Detail}");
                    waiting.AddRange(ofUpload.GetValueOrDefault(rejected.Upload) ?? []);
                }

                tally.Count("NARs uploaded", report.Stored.Count);
            }

            if (waiting.Count == 0)
                return;
            story.Add($"{DateTime.UtcNow:HH:mm:ss.fff} push {opened.Id}: waits for {waiting.Count}");
            var answer = await api.WaitAsync(opened.Id, new WaitRequest { Paths = waiting, TimeoutSeconds = 10 }, cancellationToken);
            (paths, grants) = (answer.Paths, answer.Uploads);
        }
    }

    /// <summary>False: the grant has ended, somebody else has done it or it was given up.</summary>
    private Task<bool> PutAsync(string push, UploadGrant grant, byte[] file, CancellationToken cancellationToken) =>
        retry.RunAsync("uploading", async c =>
    {
        if (grant.Url is null)
            throw new InvalidOperationException($"push {push}: a grant without URL for {file.Length} bytes");
        using var request = new HttpRequestMessage(HttpMethod.Put, grant.Url) { Content = new ByteArrayContent(file) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-nix-nar");
        foreach (var (name, value) in grant.Headers)
        {
            if (request.Headers.TryAddWithoutValidation(name, value))
                continue;
            request.Content.Headers.Remove(name);
            request.Content.Headers.TryAddWithoutValidation(name, value);
        }

        using var answer = await store.SendAsync(request, c);
        return answer.StatusCode switch
        {
            HttpStatusCode.OK or HttpStatusCode.PreconditionFailed => true,
            HttpStatusCode.NotFound or HttpStatusCode.Gone => false,
            HttpStatusCode.Conflict => throw new TransientException("409"),
            var status when RetryPolicy.IsTransient(status) => throw new TransientException($"{status}"),
            var status =>
                throw new CliException(1, $"the store answered {(int)status} to an upload: {await answer.Content.ReadAsStringAsync(c)}"),
        };
    }, cancellationToken);
}
