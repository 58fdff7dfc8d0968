namespace OrleansCache.Gateway.Oidc;

/// <summary>What an operator should know of rules that work: who else they let in, or may one day.</summary>
internal static class RuleDoubts
{
    // Of these anybody can get a token.
    private static readonly string[] PublicIssuers =
    [
        "https://token.actions.githubusercontent.com", "https://gitlab.com", "https://codeberg.org", "https://gitea.com",
        "https://bitbucket.org", "https://agent.buildkite.com", "https://oidc.circleci.com", "https://accounts.google.com",
        "https://app.terraform.io",
    ];

    // Claims that belong to one owner, and whether a prefix that ends with a slash is enough for that.
    private static readonly (string Claim, bool HasOwnerFirst)[] Owners =
    [
        ("repository_id", false), ("repository_owner_id", false), ("repository_owner", false), ("repository", true), ("project_id", false),
        ("project_path", true), ("namespace_id", false), ("namespace_path", true), ("user_id", false), ("sub", true), ("email", false),
        ("job_workflow_ref", true), ("workflow_ref", true), ("ci_config_ref_uri", true), ("enterprise_id", false), ("enterprise", false),
        ("organization_id", false), ("organization_slug", false),
    ];

    // Names that somebody else may have after a renaming or a deletion, and the ids that nobody else can get.
    private static readonly (string[] Names, string[] Ids)[] Renamable =
    [
        (["repository", "repository_owner", "job_workflow_ref", "workflow_ref"], ["repository_id", "repository_owner_id"]),
        (["project_path", "namespace_path", "ci_config_ref_uri"], ["project_id", "namespace_id"]),
        (["kubernetes.io.namespace", "kubernetes.io.serviceaccount.name"], ["kubernetes.io.serviceaccount.uid"]),
        (["sub"], ["repository_id", "repository_owner_id", "project_id", "namespace_id", "kubernetes.io.serviceaccount.uid"]),
    ];

    /// <summary>A sentence each.</summary>
    public static IEnumerable<string> Of(IEnumerable<Issuer> issuers) => issuers.SelectMany(i => i.Rules.SelectMany(r => Of(i, r)));

    /// <summary>The same of rules of certificates.</summary>
    public static IEnumerable<string> OfCertificates(IEnumerable<Rule> rules) =>
        rules.Where(r => r.Claims.Count > 0 && r.Claims.All(c => c.Path.Text == "cn")).Select(r =>
            $"--access: the rule '{r.Name}' matches by 'cn' alone, a text that authorities often leave to whoever asks for a " +
            "certificate, and that certificates of other uses have, too: add what the authority itself checks, such as 'dns' or 'uri'.");

    private static IEnumerable<string> Of(Issuer issuer, Rule rule)
    {
        if (PublicIssuers.Any(p => issuer.Url == p || issuer.Url.StartsWith(p + "/", StringComparison.Ordinal))
            && !rule.Claims.Any(BindsAnOwner))
            yield return $"--access: the rule '{rule.Name}' names no owner or repository, and anybody can get a token of {issuer.Url}: " +
                "add a claim such as repository_owner_id or project_id.";
        foreach (var (names, ids) in Renamable)
        {
            if (rule.Claims.FirstOrDefault(c => names.Contains(c.Path.Text)) is not { } named
                || rule.Claims.Any(c => ids.Contains(c.Path.Text)))
                continue;
            yield return $"--access: the rule '{rule.Name}' matches by the name in '{named.Path}', which may be somebody else's after a " +
                $"renaming or a deletion: add an id that nobody else can get, such as {ids[0]}.";
            yield break;
        }
    }

    private static bool BindsAnOwner(WantedClaim claim) => Owners.FirstOrDefault(o => o.Claim == claim.Path.Text)
        is { Claim: not null } owner && claim.Patterns.All(pattern => Binds(pattern, owner.HasOwnerFirst));

    private static bool Binds(string pattern, bool hasOwnerFirst) => pattern.AsSpan().IndexOfAny('*', '?') is var wild
        && (wild < 0 || (hasOwnerFirst && pattern.AsSpan(0, wild).Contains('/')));
}
