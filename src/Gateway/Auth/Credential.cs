using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Auth;

/// <summary>What a credential may do. None of them includes another.</summary>
[Flags]
public enum Scopes
{
    None = 0,

    /// <summary>Read narinfos, NARs and what belongs to them where the cache is private.</summary>
    Read = 1,

    /// <summary>Push closures.</summary>
    Push = 2,

    /// <summary>Make, move and delete pins, and see them.</summary>
    Pin = 4,

    /// <summary>Run the garbage collector and see what it does.</summary>
    Gc = 8,

    /// <summary>Everything that concerns the server itself.</summary>
    Admin = 16,

    /// <summary>Take closures over from a cache that it may read.</summary>
    Promote = 32,

    /// <summary>Report deployments, and read the pin and the paths that one needs.</summary>
    Deploy = 64,

    All = Read | Push | Pin | Gc | Admin | Promote | Deploy,
}

/// <summary>
/// Who sent a request, and what they may do. Every proof of that (a token, or an issuer's word) becomes one of these.
/// </summary>
/// <param name="Id">Stable over requests, processes and restarts. It is no secret: it may be stored and logged.</param>
/// <param name="Scopes">What it may do in the cache of the request, see <see cref="In"/>.</param>
public sealed record Credential(string Id, Scopes Scopes)
{
    public const string AnonymousId = "anonymous";

    /// <summary>What it may do by cache; null: the same in all of this server.</summary>
    public IReadOnlyList<Permit>? Permits { get; init; }

    /// <summary>With <see cref="Scopes.Pin"/>: the pins that it may change; null: all.</summary>
    public IReadOnlyList<PinPattern>? Pins { get; init; }

    /// <summary>With <see cref="Scopes.Deploy"/>: the pins whose deployments it may report; null: all.</summary>
    public IReadOnlyList<PinPattern>? DeployPins { get; init; }

    /// <summary>Of an identity: the rules that let it in; null: it is none.</summary>
    public IReadOnlyList<string>? Rules { get; init; }

    /// <summary>When it ends; null: not by itself.</summary>
    public DateTimeOffset? Expires { get; init; }

    /// <summary>Why it is good for nothing; null: it is good.</summary>
    public Refusal? Refusal { get; init; }

    /// <summary>
    /// The trust group, whose publishers rely on each other's uploads; null: a group of its own. Permits may say another one, see
    /// <see cref="In"/>.
    /// </summary>
    public string? Group { get; init; }

    /// <summary>The address that the request came from.</summary>
    public string? Address { get; init; }

    /// <summary>False: the cache of the request is private, and it may push there and not read.</summary>
    public bool ReadsOthers { get; init; } = true;

    /// <summary>
    /// The publisher of this credential. One that may pin outranks one that may only push: its declarations supersede what the other has
    /// published.
    /// </summary>
    public Caller Caller => new(Id, Group ?? Id, Has(Scopes.Pin) ? 1 : 0, Has(Scopes.Admin), Address) { ReadsOthers = ReadsOthers };

    /// <summary>A credential that nobody has.</summary>
    public static Credential Refused(RefusalKind kind, string why) => new("refused", Scopes.None) { Refusal = new Refusal(kind, why) };

    /// <summary>A publisher whom an admin has blocked.</summary>
    public static Credential Blocked(string publisher, SubjectBlock block) => Refused(RefusalKind.Blocked,
        $"The publisher '{publisher}' is blocked{(block.Reason is { Length: > 0 } why ? $": {why.TrimEnd('.')}" : "")}. Ask an admin of " +
        "the cache; 'orleans-cache subjects list' tells who blocked it, and when.");

    /// <summary>
    /// The same for one cache: what its permits allow there, added up. Refused where they name different trust groups: which of them was
    /// meant only an admin knows.
    /// </summary>
    public Credential In(CacheName cache)
    {
        if (Permits is null)
            return this;
        var here = Permits.Where(p => p.Covers(cache)).ToList();
        // What only reads relies on nobody's uploads.
        var grouped = here.FindAll(p => p.Group is not null && (p.Scopes & (Scopes.Push | Scopes.Pin)) != 0).DistinctBy(p => p.Group)
            .ToList();
        if (grouped.Count > 1)
            return OfSeveralGroups(grouped, cache);
        return this with
        {
            Group = grouped.Count == 1 ? grouped[0].Group : Group,
            Scopes = here.Aggregate(Scopes.None, (all, permit) => all | permit.Scopes),
            Pins = PinsOf(here, Scopes.Pin),
            DeployPins = PinsOf(here, Scopes.Deploy),
        };
    }

    /// <summary>The credential of a request that brings none.</summary>
    public static Credential Anonymous(bool isPrivate) => new(AnonymousId, isPrivate ? Scopes.None : Scopes.Read);

    public bool Allows(Access access) => access switch
    {
        Access.Open or Access.SignedUrl or Access.Self => true,
        Access.Read => Has(Scopes.Read | Scopes.Deploy),
        Access.ReadOrPush => Has(Scopes.Read | Scopes.Push | Scopes.Deploy),
        Access.Push => Has(Scopes.Push),
        Access.Pin => Has(Scopes.Pin),
        Access.Gc => Has(Scopes.Gc),
        Access.Promote => Has(Scopes.Promote),
        Access.Deploy => Has(Scopes.Deploy),
        Access.PinOrDeploy => Has(Scopes.Pin | Scopes.Deploy),
        Access.Admin => Has(Scopes.Admin),
        Access.Operator => Permits is null ? Has(Scopes.Admin)
            : Permits.Any(p => (p.Scopes & Scopes.Admin) != 0 && p.Caches.Contains("*", StringComparer.Ordinal)),
        _ => throw new ArgumentOutOfRangeException(nameof(access)),
    };

    /// <summary>May it change this pin? Every protocol asks before it changes a pin, or takes a push that will.</summary>
    public bool AllowsPin(PinName pin) => Has(Scopes.Pin) && (Pins is null || Pins.Any(pattern => pattern.Matches(pin)));

    /// <exception cref="CacheProblemException"><see cref="ProblemKind.Forbidden"/>: it may not change that pin.</exception>
    public void DemandPin(PinName pin)
    {
        if (!AllowsPin(pin))
        {
            throw new CacheProblemException(ProblemKind.Forbidden, Has(Scopes.Pin)
                ? $"The token is for the pins {string.Join(", ", Pins!.Select(p => $"'{p}'"))}, and '{pin}' is none of them."
                : $"The token lacks the scope 'pin' that pin '{pin}' needs: ask for one that has it.");
        }
    }

    /// <summary>May it report what a machine has deployed from this pin?</summary>
    public bool AllowsDeployment(PinName pin) => Has(Scopes.Deploy) && (DeployPins is null || DeployPins.Any(p => p.Matches(pin)));

    /// <exception cref="CacheProblemException"><see cref="ProblemKind.Forbidden"/>: it may not report deployments of that pin.</exception>
    public void DemandDeployment(PinName pin)
    {
        if (!AllowsDeployment(pin))
            throw new CacheProblemException(ProblemKind.Forbidden, Has(Scopes.Deploy)
                ? $"The token deploys from the pins {string.Join(", ", DeployPins!.Select(p => $"'{p}'"))}, and '{pin}' is none of them."
                : $"The token lacks the scope 'deploy' that a report about pin '{pin}' needs: ask for one that has it.");
    }

    /// <summary>Checks the committer of a push, not its opener, against the pin that the commit will set.</summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.Forbidden"/>: it may not change that pin.</exception>
    public async Task DemandPinOfAsync(IPushes pushes, CacheName cache, PushId push, CancellationToken cancellationToken)
    {
        var allowsAll = Has(Scopes.Pin) && Pins is null;
        if (!allowsAll && await pushes.PinAsync(cache, push, cancellationToken) is { } pin)
            DemandPin(pin);
    }

    private static Credential OfSeveralGroups(List<Permit> permits, CacheName cache) => Refused(RefusalKind.Unentitled,
        $"The token is in several trust groups of cache '{cache}': {string.Join(", ", permits.Select(p => p.Rule is null ? $"'{p.Group}'"
            : $"'{p.Group}' by the rule '{p.Rule}'"))}. An admin of the server has to give these rules one group in the file of --access.");

    // Of permits with that scope alone: a permit's patterns say nothing of another one's scope.
    private static List<PinPattern>? PinsOf(List<Permit> permits, Scopes scope)
    {
        var with = permits.FindAll(p => (p.Scopes & scope) != 0);
        return with.Exists(p => p.Pins is null) ? null : [.. with.SelectMany(p => p.Pins!).Distinct()];
    }

    private bool Has(Scopes scope) => (Scopes & scope) != 0;
}

public static class CredentialExtensions
{
    /// <summary>The credential of the request; set before any route runs.</summary>
    public static Credential Credential(this HttpContext http) =>
        http.Features.Get<Credential>() ?? throw new InvalidOperationException("The request has not been through the access check.");
}
