using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Parts;
using OrleansCache.Nix;
using static OrleansCache.Gateway.Protocols.Niks3.Requests;

namespace OrleansCache.Gateway.Protocols.Niks3;

/// <summary>What is in the cache, for clients that push.</summary>
internal static class ContentRoutes
{
    public static void Map(IEndpointRouteBuilder api, GatewayParts parts)
    {
        var contents = parts.Contents;

        // A promise: what is answered here is not pushed. A key that no path can have is not present.
        api.MapPost("/objects/present", async http =>
        {
            var keys = (await ReadAsync<PresentRequest>(http, SmallBody)).Keys ?? [];
            var roots = new Dictionary<string, StorePathHash>();
            foreach (var key in keys)
            {
                if (Keys.TryNarInfo(key, out var path))
                    roots[key] = path;
            }

            var present = await Pushes(http, parts).PresentAsync(Cache(http), roots.Values, http.RequestAborted);
            await AnswerAsync(http, new PresentAnswer(roots.Where(r => present.Contains(r.Value)).Select(r => r.Key)), Wire.PresentAnswer);
        }).Needs(Access.Push);

        // Advice: a client whose upload has ended asks whether another push has finished the same object.
        api.MapMethods("/objects/{**key}", ["HEAD"], async http =>
        {
            var (cache, key, caller) = (Cache(http), http.GetRouteValue("key") as string, http.Credential().Caller);
            var there = Keys.TryNar(key, out var nar) ? await contents.HasNarAsync(cache, caller, nar, http.RequestAborted)
                : Keys.TryNarInfo(key, out var path)
                    ? await contents.HasPathAsync(cache, caller, path, withListing: false, http.RequestAborted)
                : Keys.TryListing(key, out var listed)
                    ? await contents.HasPathAsync(cache, caller, listed, withListing: true, http.RequestAborted)
                : ObjectKey.TryParse(key, out var other) && await contents.HasObjectAsync(cache, caller, other, http.RequestAborted);
            http.Response.StatusCode = there ? StatusCodes.Status204NoContent : StatusCodes.Status404NotFound;
        }).Needs(Access.Push);

        api.MapGet("/closures/{key}", async http =>
        {
            var key = (string)http.GetRouteValue("key")!;
            if (!Keys.TryNarInfo(key, out var root)
                || await contents.ClosureAsync(Cache(http), http.Credential().Caller, root, http.RequestAborted) is not { } closure)
                throw new CacheProblemException(ProblemKind.UnknownPath, $"no closure '{key}' was pushed here");
            var objects = closure.Paths.SelectMany(p => (string?[])[Keys.NarInfo(p.Path), Keys.Nar(p.NarHash), p.HasListing
                ? Keys.Listing(p.Path) : null, .. p.Objects.Select(o => o.ToString())]);
            await AnswerAsync(http, new ClosureAnswer(key, Time(closure.Pushed), [.. objects.OfType<string>().Distinct()]),
                Wire.ClosureAnswer);
        }).Needs(Access.Push);
    }
}
