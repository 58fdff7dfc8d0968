using System.Text.Json.Nodes;
using OrleansCache.EndToEnd.Tests.Trust;

namespace OrleansCache.Storm;

/// <summary>
/// What somebody who may do everything in one cache tries against another: its routes, its pushes' ids, its grants, its upload URLs.
/// Whatever succeeds is a violation.
/// </summary>
/// <param name="m">Has a token of <paramref name="mine"/>, with every scope.</param>
internal sealed class CrossingAttempts(Publisher m, StormCache mine, StormCache theirs, string bucket, StormReport tally, Random random)
{
    private readonly string _mine = $"/v1/caches/{mine.Name}";
    private readonly string _theirs = $"/v1/caches/{theirs.Name}";

    public IReadOnlyList<Attempt> All =>
    [
        new("another cache's routes", RoutesAsync),
        new("another cache's admin", _ => AdminAsync()),
        new("another cache's ids", _ => IdsAsync()),
        new("another cache's grants", _ => GrantsAsync()),
        new("another cache's URLs", _ => UrlsAsync()),
    ];

    // The token is of the one, and the route of the other.
    private async Task RoutesAsync(SimulatedClosure cargo)
    {
        var path = HostileAttempts.Of(cargo);
        Demand("its token is of another cache", await m.PostAsync($"{_theirs}/pushes", V1Push.Body(path)),
            await m.PostAsync($"{_theirs}/missing", new JsonObject { ["paths"] = new JsonArray(path.Path.Hash.ToString()) }),
            await m.GetAsync($"{_theirs}/pins"), await m.GetAsync($"{_theirs}/gc"),
            await m.SendAsync(HttpMethod.Put, $"{_theirs}/pins/own-0", Publisher.Json(new JsonObject { ["path"] = cargo.Root.BaseName })),
            await m.PostAsync($"/c/{theirs.Name}/api/pending_closures", Niks3Push.CreateBody(path)),
            await m.PostAsync($"/c/{theirs.Name}/pin/{cargo.Root.Hash}.narinfo"),
            await m.SendAsync(HttpMethod.Put, $"/c/{theirs.Name}/{cargo.Root.Hash}.ls",
                Publisher.Json(new JsonObject { ["version"] = 1, ["root"] = new JsonObject { ["type"] = "directory" } }), asBasic: true));
        if (theirs.Overheard.Any(random) is { } leak)
            Demand("its token is of another cache", [.. await OfPushAsync(_theirs, leak)]);
    }

    private async Task AdminAsync() => Demand("its token is of another cache",
        await m.GetAsync($"{_theirs}/tokens"), await m.GetAsync($"{_theirs}/audit"), await m.GetAsync($"{_theirs}/keys"),
        await m.GetAsync($"{_theirs}/settings"), await m.PostAsync($"{_theirs}/gc", new JsonObject { ["force"] = true }),
        await m.PostAsync($"{_theirs}/tokens", new JsonObject { ["name"] = $"t-{Guid.NewGuid():n}", ["scopes"] = new JsonArray("admin") }),
        await m.PostAsync($"{_theirs}/keys", new JsonObject { ["replaces"] = true }),
        await m.SendAsync(HttpMethod.Delete, $"{_theirs}?force=true"), await m.GetAsync("/v1/caches"));

    // The route is of the one, and the push of the other.
    private async Task IdsAsync()
    {
        if (theirs.Overheard.Any(random) is not { } leak)
            return;
        Demand("the push is another cache's", [.. await OfPushAsync(_mine, leak)]);
        var path = HostileAttempts.Of(leak.SimulatedClosure);
        var closure = $"/c/{mine.Name}/api/pending_closures/{leak.Push}";
        Demand("the closure is another cache's", await m.PostAsync($"{closure}/sign", new JsonObject
        {
            ["narinfos"] = new JsonObject { [path.NarInfoKey] = new JsonObject() },
        }), await m.PostAsync($"{closure}/complete"));
    }

    private async Task<List<Answer>> OfPushAsync(string cache, Leak leak)
    {
        var push = $"{cache}/pushes/{leak.Push}";
        var path = HostileAttempts.Of(leak.SimulatedClosure);
        List<Answer> answers = [await m.PostAsync($"{push}/renew"), await m.PostAsync($"{push}/commit")];
        foreach (var grant in leak.Grants.Take(2))
        {
            answers.Add(await m.PostAsync($"{push}/uploads/{grant}/urls", new JsonObject()));
            answers.Add(await m.PostAsync($"{push}/uploaded", V1Push.Reported(new JsonObject { ["id"] = grant }, path)));
        }

        answers.Add(await m.SendAsync(HttpMethod.Delete, push));
        return answers;
    }

    // The push is one's own, and the grant is another cache's.
    private async Task GrantsAsync()
    {
        if (theirs.Overheard.Any(random) is not { Grants: [var grant, ..] } leak)
            return;
        // Of a path that no honest client waits for.
        var begun = await m.PostAsync($"{_mine}/pushes", V1Push.Body(TrustPath.Make("crossing")));
        if (!begun.IsSuccess)
            return;
        var push = $"{_mine}/pushes/{(string)begun.Json["id"]!}";
        Demand("the grant is another cache's", await m.PostAsync($"{push}/uploads/{grant}/urls", new JsonObject()));
        var reported = await m.PostAsync($"{push}/uploaded",
            V1Push.Reported(new JsonObject { ["id"] = grant }, HostileAttempts.Of(leak.SimulatedClosure)));
        if (reported.IsSuccess && reported.Json["stored"]?.AsArray().Count > 0)
            Demand("the grant is another cache's", reported);
        await m.SendAsync(HttpMethod.Delete, push);
    }

    // A URL is signed for one key: for the same name in the other cache it is good for nothing.
    private async Task UrlsAsync()
    {
        if (theirs.Overheard.Any(random) is not { Uploads: [{ Url: { } url } grant, ..] })
            return;
        var (there, here) = ($"/{bucket}/{theirs.Prefix}", $"/{bucket}/{mine.Prefix}");
        if (!url.AbsolutePath.StartsWith(there, StringComparison.Ordinal))
        {
            tally.Violation($"an upload to cache {theirs.Name} is to go to {url.AbsolutePath}");
            return;
        }

        var moved = new Uri(url, here + url.PathAndQuery[there.Length..]);
        Demand("the URL is of another cache", await m.SendAsync(HttpMethod.Put, moved.ToString(),
            Publisher.Bytes("crossed"u8.ToArray(), "application/x-nix-nar"), isSigned: true,
            headers: [.. grant.Headers.Select(h => (h.Key, h.Value))]));
    }

    private void Demand(string why, params IEnumerable<Answer> answers)
    {
        foreach (var answer in answers)
        {
            tally.Count("crossings refused", answer.IsSuccess ? 0 : 1);
            if (answer.IsSuccess)
                tally.Violation($"{why}: who has a token of cache {mine.Name} was obeyed about cache {theirs.Name}: {answer}");
        }
    }
}
