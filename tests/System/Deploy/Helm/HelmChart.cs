using OrleansCache.Testing;

namespace OrleansCache.Deploy.Tests.Helm;

/// <summary>Renders the chart: by helm, or where there is none by Go's templates and sprig, which helm is made of.</summary>
internal static class HelmChart
{
    // Where Debian's packages put the sources of libraries.
    private const string GoPath = "/usr/share/gocode";

    private static readonly string Chart = Path.Combine(Repository.Root, "helm", "orleans-cache");

    /// <summary>Null when the chart can be rendered, else why not.</summary>
    public static string? MissingReason =>
        Programs.Find("helm") is not null
            || (Programs.Find("go") is not null && Directory.Exists($"{GoPath}/src/github.com/Masterminds/sprig")
            && Directory.Exists($"{GoPath}/src/gopkg.in/yaml.v3"))
            ? null : "neither helm nor Go with sprig (Debian: golang-go golang-github-masterminds-sprig-dev golang-gopkg-yaml.v3-dev)";

    /// <param name="values">Files of the chart's folder that change its values.</param>
    public static string Render(params string[] values)
    {
        var files = values.Select(file => Path.Combine(Chart, file)).ToList();
        if (Programs.Find("helm") is { } helm)
            return Run(helm,
                ["template", "orleans-cache", Chart, "--namespace", "orleans-cache", .. files.SelectMany(file => new[] { "-f", file })]);
        return Run("go", ["run", Path.Combine(Repository.Root, "tests", "System", "Deploy", "Helm", "render.go"), Chart, .. files]);
    }

    private static string Run(string program, IEnumerable<string> arguments)
    {
        using var cache = new TempFolder("oc-go-");
        return ProcessRunner.RunAsync(program, arguments, new Dictionary<string, string?>
        {
            ["GO111MODULE"] = "off",
            ["GOPATH"] = GoPath,
            ["GOCACHE"] = cache.Path,
            ["GOFLAGS"] = null,
        }).GetAwaiter().GetResult().OrThrow().Output;
    }
}
