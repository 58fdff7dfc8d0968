using System.Globalization;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Tls;

namespace OrleansCache.Gateway.Auth;

/// <summary>
/// Passes a request to its route when its credential allows what the route requires. Else 401 without a known credential, 403 with one,
/// and 503 while that cannot be told.
/// </summary>
internal sealed class AccessCheck(RequestDelegate next, ICredentials credentials, FailedLogins failed, CachePrivacy privacy)
{
    private const string ForAll = "public";

    public async Task InvokeAsync(HttpContext http)
    {
        // Routing's own answers (405, 415) are not route endpoints and give nothing away.
        if (http.GetEndpoint() is not RouteEndpoint route)
        {
            await next(http);
            return;
        }

        if (route.Metadata.GetMetadata<AccessMetadata>() is not { } needed)
            throw new InvalidOperationException($"The route {route.RoutePattern.RawText} does not say what access it needs.");
        var cache = CacheOf(http);
        var anonymous = (await credentials.FindAsync(null, cache, http.RequestAborted))!;
        var (access, isForAll, isKnown) = (needed.Access, anonymous.Allows(needed.Access), true);
        if (cache != CacheName.Default)
            await LookAsync(looks: false);
        // An open route looks up no token, so neither an expired token nor an unreachable database keeps anybody out. The write URL looks
        // it up all the same, because what a push's token reads there is held.
        var secret = isForAll && access is not (Access.ReadOrPush or Access.Self) ? null
            : Secret(http.Request.Headers.Authorization.ToString());
        var certificate = isForAll && needed.Access is not (Access.ReadOrPush or Access.Self) ? null : ClientCertificate.Of(http);
        var credential = anonymous;
        if (secret is not null)
        {
            if (!failed.MayAsk(http.Connection.RemoteIpAddress, secret) && !credentials.IsKnown(secret))
            {
                await TooManyFailedAsync(http);
                return;
            }

            credential = (await credentials.FindAsync(secret, cache, http.RequestAborted))?.In(cache);
            if (credential?.Refusal?.Kind != RefusalKind.Undecided)
                failed.Note(http.Connection.RemoteIpAddress, secret, credential is { Refusal: null });
        }

        // A token that proves something comes first; what it allows and what a certificate allows do not add up.
        var isShown = false;
        if (certificate is not null && (secret is null || credential is null or { Refusal.Kind: RefusalKind.Unproven })
            && await credentials.FindByCertificateAsync(certificate, cache, http.RequestAborted) is { } shown
            && (secret is null || shown.Refusal is null))
            (credential, isShown) = (shown.In(cache), true);

        // Another server may have made it just now. Who may do nothing there has it looked up no more than one that is not there.
        if (!isKnown && credential is { Refusal: null, Scopes: not Scopes.None })
            await LookAsync(looks: true);

        // What anybody may do is done for a credential that is good for nothing, too, unless it is asked for itself, was blocked, or may
        // turn out to be that of a push.
        var refusal = credential?.Refusal;
        if (!Allows(credential) && isForAll && access != Access.Self
            && refusal?.Kind is not (RefusalKind.Blocked or RefusalKind.Undecided))
            (credential, refusal) = (anonymous, null);
        if (credential is not null && Allows(credential))
        {
            http.Features.Set(credential.Id == Credential.AnonymousId ? credential : credential with
            {
                Address = AddressOf(http),
                ReadsOthers = anonymous.Allows(Access.Read) || credential.Allows(Access.Read),
            });
            if (access == Access.Promote)
                http.Features.Set(new OtherCaches((other, stop) => isShown ? credentials.FindByCertificateAsync(certificate!, other, stop)
                    : credentials.FindAsync(secret, other, stop), FindPrivacyAsync));
            if (credential.Id != Credential.AnonymousId)
            {
                http.Features.Set(new KnownClient(credential.Id));
                if (access is Access.Read or Access.ReadOrPush)
                    http.Response.OnStarting(MakePrivate, http.Response);
            }

            await next(http);
            return;
        }

        if (refusal is { Kind: RefusalKind.Undecided })
        {
            await Problems.WriteAsync(http, HttpProblem.Unavailable, refusal.Why);
            return;
        }

        if (refusal is { Kind: not RefusalKind.Unproven })
        {
            await Problems.WriteAsync(http, HttpProblem.Forbidden, refusal.Why);
            return;
        }

        if (refusal is null && credential is not null && credential.Id != Credential.AnonymousId)
        {
            await Problems.WriteAsync(http, HttpProblem.Forbidden, Lacks(credential, access));
            return;
        }

        http.Response.Headers.WWWAuthenticate = "Basic realm=\"orleans-cache\", Bearer realm=\"orleans-cache\"";
        await Problems.WriteAsync(http, HttpProblem.Unauthorized, secret is null ? refusal?.Why
            ?? "This needs a token: send it as 'Authorization: Bearer <token>', or as the password of Basic authentication."
            : refusal?.Why
                ?? "The token is not one that this server accepts: it is unknown, has expired or was revoked. Is it whole, and of this server?");

        bool Allows(Credential? who) => who is { Refusal: null } && who.Allows(access);

        // A private cache, and one that is not there, are one to who may not read it.
        async ValueTask LookAsync(bool looks)
        {
            var isPrivate = await FindPrivacyAsync(cache, looks, http.RequestAborted);
            anonymous = Credential.Anonymous(isPrivate ?? true);
            // Whoever may push asks what it pushes to.
            access = needed.Access == Access.Open && isPrivate is not false ? Access.ReadOrPush : needed.Access;
            (isForAll, isKnown) = (anonymous.Allows(access), isPrivate is not null);
        }
    }

    // What somebody is told for his credential is no answer for others, whatever proxies lie between.
    private static Task MakePrivate(object response)
    {
        var headers = ((HttpResponse)response).Headers;
        if (headers.CacheControl is [{ } text] && text.StartsWith(ForAll, StringComparison.Ordinal))
            headers.CacheControl = string.Concat("private", text.AsSpan(ForAll.Length));
        return Task.CompletedTask;
    }

    // While the database is away nobody learns of a cache that this server does not know yet.
    private async ValueTask<bool?> FindPrivacyAsync(CacheName cache, bool looks, CancellationToken cancellationToken)
    {
        try
        {
            return cache.ToString().Length == 0 ? null : await privacy(cache, looks, cancellationToken);
        }
        catch (CacheProblemException e) when (e.IsOutage)
        {
            return true;
        }
    }

    private static string Lacks(Credential credential, Access access)
    {
        // Who may do nothing here is told where it may do anything: of this cache that tells not even whether it is there.
        var elsewhere = credential.Permits?.Where(p => credential.Scopes == Scopes.None || new Credential("", p.Scopes).Allows(access))
            .SelectMany(p => p.Caches).Distinct().Select(c => $"'{c}'").ToList() ?? [];
        if (access == Access.Operator)
            return "This concerns all caches: it needs a token of the token file, or one whose scope 'admin' is for all of them.";
        return elsewhere.Count > 0
            ? $"The {WordOf(credential)} is for {(elsewhere.Count == 1 ? "cache" : "the caches")} {string.Join(", ", elsewhere)} only."
            : $"The {WordOf(credential)} is known, but lacks the scope '{ScopeOf(access)}' that this needs: ask for one that has it.";
    }

    private static string WordOf(Credential credential) =>
        credential.Id.StartsWith("cert:", StringComparison.Ordinal) ? "certificate" : "token";

    // Of a name that no cache can have nobody knows anything, and its route says so.
    private static CacheName CacheOf(HttpContext http) => http.GetRouteValue("cache") is not string text ? CacheName.Default
        : CacheName.TryParse(text, out var name) ? name : default;

    // An old Nix would repeat a PUT without its body, so its refusal is final. A new Nix waits for a minute after a 429, for moments after
    // a 503.
    private static Task TooManyFailedAsync(HttpContext http)
    {
        const string Why = "Too many requests with tokens that this server does not know come from your address";
        if (NixUserAgent.Sent(http.Request))
            return Problems.WriteAsync(http, HttpProblem.Forbidden, $"{Why}. Run the command again in a while.");
        http.Response.Headers.RetryAfter = FailedLogins.Refill.TotalSeconds.ToString(CultureInfo.InvariantCulture);
        return Problems.WriteAsync(http, NixUserAgent.SentByAny(http.Request)
            ? HttpProblem.TooManyRequests with { Status = StatusCodes.Status503ServiceUnavailable } : HttpProblem.TooManyRequests,
            $"{Why}. Wait for Retry-After, and send the same request again.");
    }

    private static string? AddressOf(HttpContext http) => http.Connection.RemoteIpAddress is { } address
        ? (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString() : null;

    private static string ScopeOf(Access access) => (access switch
    {
        Access.ReadOrPush => Access.Read,
        Access.PinOrDeploy => Access.Pin,
        _ => access,
    }).ToString().ToLowerInvariant();

    private static string? Secret(string header)
    {
        if (header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
            return header["Bearer ".Length..].Trim();
        if (header.Equals("Bearer", StringComparison.OrdinalIgnoreCase))
            return "";
        if (!header.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase))
            return null;
        var buffer = new byte[header.Length];
        if (!Convert.TryFromBase64String(header["Basic ".Length..].Trim(), buffer, out var length))
            return "";
        var pair = Encoding.UTF8.GetString(buffer, 0, length);
        var colon = pair.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? "" : pair[(colon + 1)..];
    }
}
