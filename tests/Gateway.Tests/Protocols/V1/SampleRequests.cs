namespace OrleansCache.Gateway.Tests.Protocols.V1;

/// <summary>Bodies of requests about one path.</summary>
internal static class SampleRequests
{
    public const string Pushes = "/v1/caches/default/pushes";
    public const string Hash = "0c5b8vw40dy178xlpddw65q9gf1h2186";
    public const string NarHash = "sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s";

    public static readonly string Begin =
        $$"""{"roots":["{{Hash}}"],"paths":[{"path":"{{Hash}}-hello","narHash":"{{NarHash}}","narSize":120,"references":["{{Hash}}"]}],"someday":true}""";

    public static readonly string Missing = $$"""{"paths":["{{Hash}}"]}""";
}
