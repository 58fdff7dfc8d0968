using System.Diagnostics;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Parts;
using static OrleansCache.Gateway.Protocols.Niks3.Requests;

namespace OrleansCache.Gateway.Protocols.Niks3;

/// <summary>
/// Pushes: create, upload, sign, complete. A pending closure is a push of one root, and has its id. The server keeps no state between
/// requests: each brings what it needs, or the catalog has it.
/// </summary>
internal static class PushRoutes
{
    // Its clients wait for an answer as long as they live; a proxy before the server does not.
    private static readonly TimeSpan VerificationPatience = TimeSpan.FromSeconds(40);

    public static void Map(IEndpointRouteBuilder api, GatewayParts parts, CancellationToken stopping)
    {
        foreach (var route in (string[])["/pending_closures", "/pushes"])
        {
            api.MapPost(route, OpenAsync).Needs(Access.Push);
            api.MapPost($"{route}/{{id}}/sign", SignAsync).Needs(Access.Push);
            api.MapPost($"{route}/{{id}}/complete", CompleteAsync).Needs(Access.Push);
        }

        api.MapDelete("/pending_closures", async http =>
        {
            var silence = GoDuration.Parse("older-than", http.Request.Query["older-than"]);
            await Pushes(http, parts).EndSilentAsync(Cache(http), silence, http.RequestAborted);
            NoContent(http);
        }).Needs(Access.Gc);

        async Task OpenAsync(HttpContext http)
        {
            var request = await ReadAsync<CreateRequest>(http, LargeBody);
            var cache = Cache(http);
            var opened = await Pushes(http, parts).OpenAsync(cache, Closures.Read(request), http.RequestAborted);
            await AnswerAsync(http, Closures.Answer(request, opened,
                (key, upload) => ExtraRoutes.Url(parts, cache, opened, key, upload), parts.Time.GetUtcNow()), Wire.CreateAnswer);
        }

        async Task SignAsync(HttpContext http)
        {
            var request = await ReadAsync<SignRequest>(http, LargeBody);
            var declared = (request.Narinfos ?? []).Select(n => Closures.Read(n.Key, n.Value)).ToList();
            var signatures = await Pushes(http, parts).DeclareAsync(Cache(http), Push(http), declared, http.RequestAborted);
            await AnswerAsync(http, new SignAnswer(signatures.ToDictionary(s => Keys.NarInfo(s.Key), s => s.Value)), Wire.SignAnswer);
        }

        // The request waits for a long commit, as no answer of the protocol says 'later'. A repeated request joins it.
        async Task CompleteAsync(HttpContext http)
        {
            using var linked = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping);
            await http.Credential().DemandPinOfAsync(parts.Pushes.As(http.Credential().Caller), Cache(http), Push(http), linked.Token);
            var started = Stopwatch.GetTimestamp();
            var patience = parts.CommitPatience < VerificationPatience ? parts.CommitPatience : VerificationPatience;
            var pushes = parts.Pushes.As(http.Credential().Caller);
            while (await pushes.CommitAsync(Cache(http), Push(http), patience, linked.Token) is { State: not PushState.Committed } answer)
            {
                if (answer.Unread is not null && Stopwatch.GetElapsedTime(started) >= VerificationPatience)
                    throw new CacheProblemException(ProblemKind.Unavailable, $"{answer.WaitsFor} Send the same request again.");
            }

            NoContent(http);
        }
    }
}
