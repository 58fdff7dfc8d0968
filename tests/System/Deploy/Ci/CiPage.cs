using System.Text.RegularExpressions;
using OrleansCache.Testing;
using YamlDotNet.Serialization;

namespace OrleansCache.Deploy.Tests.Ci;

/// <summary>A page of <c>docs/ci</c>: its blocks, by their names.</summary>
internal sealed partial class CiPage(string vendor)
{
    private readonly MatchCollection _blocks = Block().Matches(
        System.IO.File.ReadAllText(Path.Combine(Repository.Root, "docs", "ci", vendor + ".md")));

    /// <summary>The text of a block, with the addresses of the test.</summary>
    public string this[string name, CiWorld world] => world.Local(_blocks.Single(b => b.Groups["name"].Value == name).Groups["text"].Value);

    public YamlTree Yaml(string name, CiWorld world) => YamlTree.Parse(this[name, world]);

    [GeneratedRegex("^```[a-z]+ (?<name>[a-z]+)\n(?<text>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Block();
}

/// <summary>A part of a YAML document.</summary>
internal readonly struct YamlTree(object? node)
{
    /// <summary>What is not there is empty.</summary>
    public YamlTree this[string name] => new((node as Dictionary<object, object>)?.GetValueOrDefault(name));

    public bool IsThere => node is not null;

    public IEnumerable<YamlTree> Items => node is List<object> list ? list.Select(item => new YamlTree(item)) : [];

    public IEnumerable<(string Name, YamlTree Value)> Members => node is Dictionary<object, object> members
        ? members.Select(member => ((string)member.Key, new YamlTree(member.Value))) : [];

    public string Text => node as string ?? "";

    public static YamlTree Parse(string text) => new(new DeserializerBuilder().Build().Deserialize<object>(text));

    public static YamlTree File(params string[] path) => Parse(System.IO.File.ReadAllText(Path.Combine([Repository.Root, .. path])));
}
